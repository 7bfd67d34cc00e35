// How a text is cut into windows for scoring, as the two programs do that published figures come from.
#pragma once

#include <cstddef>
#include <vector>

namespace wring::cli {

// Tokens [begin, end) are computed from position 0; those of [scored, end) are predicted and scored.
struct Window {
  size_t begin = 0, scored = 0, end = 0;
};

// llama-perplexity: whole windows of `context` one after another; the tokens after the middle one are scored.
// What is left over at the end is not.
std::vector<Window> LlamaWindows(size_t tokens, size_t context);

// The Hugging Face guide: windows of `context` that move by `stride`; each token is scored once, in the first
// window that holds it with all the context it has there.
std::vector<Window> SlidingWindows(size_t tokens, size_t context, size_t stride);

}  // namespace wring::cli
