#include "server/allowance.h"

#include <algorithm>

namespace wring::server {

std::optional<Allowance> Allowance::Take(Service& service, const Call& call, uint64_t tokens) {
  Allowance allowance;
  if (call.key == nullptr) return allowance;
  const KeyLimits::Verdict verdict = service.limits().Begin(*call.key, tokens);
  if (!verdict.ok) {
    ApiError error = MakeError(
        429, fmt::format("this API key has used up its {}: try again later", verdict.limit));
    error.reason = "key";
    error.retry_after = std::max(1.0, verdict.retry_after_s);
    service.SendError(call, error);
    return std::nullopt;
  }
  allowance.service_ = &service;
  allowance.key_ = call.key;
  allowance.taken_ = tokens;
  return allowance;
}

}  // namespace wring::server
