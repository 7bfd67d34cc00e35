// API keys: who may ask, how much, and in which order.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "server/http/exchange.h"

namespace wring::server {

struct ApiKey {
  std::string name;  // for logs, metrics and accounts; the key itself is not kept
  std::array<unsigned char, 32> sha256 = {};
  bool admin = false;
  // 0: no limit.
  uint64_t requests_per_minute = 0;
  uint64_t tokens_per_minute = 0;
  uint64_t max_concurrent = 0;
  int priority = 0;        // higher enters first
  std::string cache_salt;  // keys of equal salt share cached prefixes
};

class ApiKeys {
 public:
  ApiKeys() = default;  // none: everybody may ask
  // A JSON list of {"name", "key" or "key_sha256" (hex), "admin", "requests_per_minute", "tokens_per_minute",
  // "max_concurrent", "priority", "cache_salt"}. An error names line or entry and field, never a key.
  static Result<ApiKeys> Parse(std::string_view text, std::string_view what);
  // `warning` gets a sentence when others than the owner may read the file.
  static Result<ApiKeys> Load(const std::string& path, std::string* warning);

  bool empty() const { return keys_.empty(); }
  const std::vector<ApiKey>& keys() const { return keys_; }
  // By "Authorization: Bearer KEY" or "x-api-key: KEY"; null when it is none of these. Takes as long whichever key
  // it is: digests are compared, all of them, each to its end. The pointer is good as long as this object.
  const ApiKey* Find(const HttpRequest& request) const;
  const ApiKey* FindKey(std::string_view presented) const;

 private:
  std::vector<ApiKey> keys_;
};

// Counts what keys use. Each rate is a bucket that holds a minute's worth and fills evenly, so a burst of a minute's
// worth is fine after a minute's rest. Any thread.
class KeyLimits {
 public:
  using Clock = std::chrono::steady_clock;

  struct Verdict {
    bool ok = true;
    double retry_after_s = 0;  // when trying again makes sense
    std::string_view limit;    // the one that was met: "requests_per_minute", ...
  };

  // Takes a request of about `tokens` (its prompt and what it may generate) or says why not; what was refused took
  // nothing. More tokens than a minute's worth are let through when the bucket is full, and leave it in debt.
  // Each request that was let through needs one End.
  Verdict Begin(const ApiKey& key, uint64_t tokens, Clock::time_point now = Clock::now());
  // `used` tokens in truth: the difference to those taken by Begin goes back, or is taken too.
  void End(const ApiKey& key, uint64_t tokens, uint64_t used, Clock::time_point now = Clock::now());

 private:
  struct Bucket {
    double level = 0;
    Clock::time_point at = {};
    bool begun = false;
    void Fill(double per_minute, Clock::time_point now);
  };
  struct Use {
    Bucket requests;
    Bucket tokens;
    uint64_t running = 0;
  };

  std::mutex mutex_;
  std::map<std::string, Use> uses_;  // by the key's name
};

}  // namespace wring::server
