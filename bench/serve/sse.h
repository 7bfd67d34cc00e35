// Server-sent events out of bytes that are cut anywhere.
#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace wring::load {

class SseParser {
 public:
  // Calls event(data) for every event that these bytes complete and that has data. Lines end with CR, LF or
  // both; comments and other fields are passed over; data lines of one event are joined by LF.
  template <typename F>
  void Feed(std::string_view bytes, F&& event) {
    for (const char c : bytes) {
      const bool second_half = after_cr_ && c == '\n';
      after_cr_ = c == '\r';
      if (second_half) continue;
      if (c != '\n' && c != '\r') {
        line_.push_back(c);
      } else if (EndLine()) {
        event(std::string_view(data_));
        data_.clear();
        has_data_ = false;
      }
    }
  }

  // Whether an event was begun and not ended.
  bool pending() const { return has_data_ || !line_.empty(); }

 private:
  // True when the line was the empty one that ends an event with data.
  bool EndLine() {
    const std::string line = std::exchange(line_, {});
    if (line.empty()) return has_data_;
    std::string_view rest = line;
    if (!rest.starts_with("data")) return false;
    rest.remove_prefix(4);
    if (!rest.empty() && rest.front() != ':') return false;  // another field: "database:"
    if (!rest.empty()) rest.remove_prefix(1);
    if (rest.starts_with(' ')) rest.remove_prefix(1);
    if (has_data_) data_.push_back('\n');
    data_.append(rest);
    has_data_ = true;
    return false;
  }

  std::string line_;
  std::string data_;
  bool has_data_ = false;
  bool after_cr_ = false;
};

}  // namespace wring::load
