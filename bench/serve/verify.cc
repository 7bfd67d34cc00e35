#include "serve/verify.h"

#include <algorithm>

namespace wring::load {

void Verifier::Add(const Record& record) {
  if (record.text.empty() && record.outcome != Outcome::kOk) return;
  const bool whole = record.outcome == Outcome::kOk;
  auto [it, fresh] = known_.try_emplace({record.job.prompt, record.job.output_len});
  Known& known = it->second;
  if (fresh) {
    known = {record.text, whole, record.job.index};
    return;
  }
  ++verdict_.compared;
  const size_t common = std::min(known.text.size(), record.text.size());
  const auto differs = std::mismatch(
      known.text.begin(), known.text.begin() + static_cast<ptrdiff_t>(common), record.text.begin());
  const auto same = static_cast<size_t>(differs.first - known.text.begin());
  // A whole answer is as long as the text; no other is longer than it.
  const bool too_short = whole && record.text.size() < known.text.size();
  const bool too_long = known.whole && record.text.size() > known.text.size();
  if (same < common || too_short || too_long) {
    if (verdict_.mismatches++ == 0) {
      verdict_.example = fmt::format(
          "requests {} and {} (prompt {}) differ from byte {} of {} and {}", known.index,
          record.job.index, record.job.prompt, same, known.text.size(), record.text.size());
    }
    return;
  }
  if (record.text.size() > known.text.size() || (whole && !known.whole)) {
    known = {record.text, whole || known.whole, record.job.index};
  }
}

}  // namespace wring::load
