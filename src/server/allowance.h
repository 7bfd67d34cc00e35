// A request's share of what its key may use: taken before the work, settled when the object goes. It goes before the
// answer is sent: who has the answer may ask again at once.
#pragma once

#include <optional>

#include "server/service.h"

namespace wring::server {

class Allowance {
 public:
  // Nothing, and the call is answered with 429, when the key has used up one of its limits. `tokens`: about as many as
  // the request will use.
  static std::optional<Allowance> Take(Service& service, const Call& call, uint64_t tokens);

  Allowance(Allowance&& other) noexcept { *this = std::move(other); }
  Allowance& operator=(Allowance&& other) noexcept {
    std::swap(service_, other.service_);
    std::swap(key_, other.key_);
    std::swap(taken_, other.taken_);
    std::swap(used_, other.used_);
    return *this;
  }
  ~Allowance() {
    if (key_ != nullptr) service_->limits().End(*key_, taken_, used_);
  }
  // Tokens that it used in truth; none unless this is called.
  void Used(uint64_t tokens) { used_ = tokens; }

 private:
  Allowance() = default;

  Service* service_ = nullptr;
  const ApiKey* key_ = nullptr;  // null where no keys are asked for
  uint64_t taken_ = 0, used_ = 0;
};

}  // namespace wring::server
