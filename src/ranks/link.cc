#include "ranks/link.h"

#include <algorithm>
#include <cstring>

namespace wring {
namespace {

struct Outcome {
  uint8_t code;
  char message[1023];
};

}  // namespace

Status Link::Meet() {
  const std::vector<uint64_t> nothing(ranks(), 0);
  return Gather({}, nothing, {});
}

Status Link::Sum(std::span<float> values) {
  gathered_.resize(ranks() * values.size_bytes());
  const std::vector<uint64_t> sizes(ranks(), values.size_bytes());
  WRING_TRY(Gather(std::as_bytes(values), sizes, gathered_));
  std::memcpy(values.data(), gathered_.data(), values.size_bytes());
  for (uint32_t r = 1; r < ranks(); ++r) {
    const auto* from = reinterpret_cast<const float*>(gathered_.data() + r * values.size_bytes());
    for (size_t i = 0; i < values.size(); ++i) values[i] += from[i];
  }
  return {};
}

Status Link::Agree(const Status& mine) {
  Outcome outcome = {};
  outcome.code = static_cast<uint8_t>(mine.code());
  const std::string message = mine.ok() ? "" : std::string(mine.message());
  std::memcpy(outcome.message, message.data(),
              std::min(message.size(), sizeof(outcome.message) - 1));
  std::vector<Outcome> all(ranks());
  const std::vector<uint64_t> sizes(ranks(), sizeof(Outcome));
  WRING_TRY(
      Gather(std::as_bytes(std::span(&outcome, 1)), sizes, std::as_writable_bytes(std::span(all))));
  for (const Outcome& o : all) {
    const auto code = static_cast<Code>(o.code);
    if (code != Code::kOk) return Status(code, o.message);
  }
  return {};
}

}  // namespace wring
