// Progress of work that takes long. Library code reports; whoever drives a terminal shows it.
#pragma once

#include <cstdint>
#include <string_view>

namespace wring {

class Progress {
 public:
  virtual ~Progress() = default;
  // `done` of `total` units of `what`; may be called from any thread, often.
  virtual void Report(std::string_view what, uint64_t done, uint64_t total) = 0;
};

}  // namespace wring
