// Lines of standard input, read so that Ctrl-C is seen while waiting.
#pragma once

#include <functional>
#include <string>

namespace wring::cli {

enum class Line { kText, kEnd, kInterrupted };

class LineReader {
 public:
  // The next line without its end; the last one may lack it. Ctrl-C forgets what was typed.
  Line Next(
      std::string* line, const std::function<void()>& prompt = [] {});

 private:
  std::string pending_;
  bool ended_ = false;
};

}  // namespace wring::cli
