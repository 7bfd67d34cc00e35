#include "cli/windows.h"

#include <algorithm>

namespace wring::cli {

std::vector<Window> LlamaWindows(size_t tokens, size_t context) {
  std::vector<Window> windows;
  for (size_t begin = 0; begin + context <= tokens; begin += context) {
    windows.push_back({begin, begin + context / 2 + 1, begin + context});
  }
  return windows;
}

std::vector<Window> SlidingWindows(size_t tokens, size_t context, size_t stride) {
  std::vector<Window> windows;
  size_t scored = 0;
  for (size_t begin = 0; begin < tokens; begin += stride) {
    const size_t end = std::min(begin + context, tokens);
    // The first token of a window has nothing before it that could predict it.
    if (const size_t first = std::max(scored, begin + 1); first < end)
      windows.push_back({begin, first, end});
    scored = end;
    if (end == tokens) break;
  }
  return windows;
}

}  // namespace wring::cli
