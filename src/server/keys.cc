#include "server/keys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <sys/stat.h>

#include <algorithm>
#include <limits>
#include <set>

#include "formats/json.h"
#include "formats/printable.h"

namespace wring::server {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxFile = 4 << 20;
// Concurrency limits free up when a request ends, whenever that is; a guess is better than none.
constexpr double kConcurrentRetry = 1;

std::array<unsigned char, 32> Sha256(std::string_view text) {
  std::array<unsigned char, 32> digest = {};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return digest;
}

bool ParseHex(std::string_view text, std::array<unsigned char, 32>* digest) {
  if (text.size() != 2 * digest->size()) return false;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  for (size_t i = 0; i < digest->size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    (*digest)[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return true;
}

// One entry of the list; an error is what follows "FILE: entry N".
class EntryReader {
 public:
  EntryReader(const json& entry, std::string where) : entry_(entry), where_(std::move(where)) {}

  Result<ApiKey> Read() {
    if (!entry_.is_object()) return Error(Code::kInvalid, "{} is not an object", where_);
    WRING_TRY(CheckFields());
    ApiKey key;
    WRING_TRY(Text("name", &key.name));
    if (key.name.empty()) return Error(Code::kInvalid, "{} needs a \"name\"", where_);
    WRING_TRY(Secret(&key));
    if (const auto it = entry_.find("admin"); it != entry_.end()) {
      if (!it->is_boolean()) return Wrong("admin", "true or false");
      key.admin = it->get<bool>();
    }
    WRING_TRY(Count("requests_per_minute", &key.requests_per_minute));
    WRING_TRY(Count("tokens_per_minute", &key.tokens_per_minute));
    WRING_TRY(Count("max_concurrent", &key.max_concurrent));
    if (const auto it = entry_.find("priority"); it != entry_.end()) {
      const auto in_range = [&] {
        const auto value = it->get<int64_t>();
        return value >= -1000 && value <= 1000;
      };
      if (!it->is_number_integer() || !in_range()) {
        return Wrong("priority", "a whole number from -1000 to 1000");
      }
      key.priority = it->get<int>();
    }
    WRING_TRY(Text("cache_salt", &key.cache_salt));
    return key;
  }

 private:
  Status Wrong(std::string_view field, std::string_view need) const {
    return Error(Code::kInvalid, "{}: \"{}\" must be {}", where_, field, need);
  }

  // A misspelt limit would be no limit.
  Status CheckFields() const {
    static const std::set<std::string> kKnown = {"name",
                                                 "key",
                                                 "key_sha256",
                                                 "admin",
                                                 "requests_per_minute",
                                                 "tokens_per_minute",
                                                 "max_concurrent",
                                                 "priority",
                                                 "cache_salt"};
    for (const auto& [field, value] : entry_.items()) {
      if (!kKnown.contains(field)) {
        return Error(Code::kInvalid, "{} has an unknown field {}", where_, Quoted(field));
      }
    }
    return {};
  }

  Status Text(const char* field, std::string* out) const {
    const auto it = entry_.find(field);
    if (it == entry_.end()) return {};
    if (!it->is_string()) return Wrong(field, "a string");
    *out = it->get<std::string>();
    return {};
  }

  // null says "none" as well as absence does.
  Status Count(const char* field, uint64_t* out) const {
    const auto it = entry_.find(field);
    if (it == entry_.end() || it->is_null()) return {};
    if (!it->is_number_unsigned() || it->get<uint64_t>() == 0) {
      return Wrong(field, "a whole number above 0, or absent for no limit");
    }
    *out = it->get<uint64_t>();
    return {};
  }

  Status Secret(ApiKey* key) const {
    if (entry_.contains("key") == entry_.contains("key_sha256")) {
      return Error(Code::kInvalid, "{} needs either \"key\" or \"key_sha256\"", where_);
    }
    std::string text;
    if (entry_.contains("key")) {
      WRING_TRY(Text("key", &text));
      // Also what a header can carry as it is.
      if (text.size() < 8 ||
          !std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7f; })) {
        return Wrong("key", "at least 8 printable ASCII characters without spaces");
      }
      key->sha256 = Sha256(text);
      return {};
    }
    WRING_TRY(Text("key_sha256", &text));
    if (!ParseHex(text, &key->sha256)) return Wrong("key_sha256", "64 hex digits");
    return {};
  }

  const json& entry_;
  const std::string where_;
};

// The library's own words quote the file's text, which may be a key.
Result<json> ParseList(std::string_view text, std::string_view what) {
  if (NestsTooDeep(text))
    return Error(Code::kInvalid, "{} nests too deep for a list of keys", what);
  try {
    auto list = json::parse(text);
    if (!list.is_array()) {
      return Error(Code::kInvalid, "{} must be a list: [{{\"name\": ..., \"key\": ...}}, ...]",
                   what);
    }
    return list;
  } catch (const json::parse_error& error) {
    const auto before = text.substr(0, error.byte > 0 ? error.byte - 1 : 0);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    return Error(Code::kInvalid, "{}, line {}: this is not JSON", what, line);
  } catch (const std::exception&) {
    return Error(Code::kInvalid, "{} holds a number or text that JSON cannot", what);
  }
}

}  // namespace

Result<ApiKeys> ApiKeys::Parse(std::string_view text, std::string_view what) {
  WRING_ASSIGN(const json list, ParseList(text, what));
  ApiKeys keys;
  for (size_t i = 0; i < list.size(); ++i) {
    const auto where = fmt::format("{}, entry {}", what, i + 1);
    WRING_ASSIGN(ApiKey key, EntryReader(list[i], where).Read());
    for (const auto& other : keys.keys_) {
      if (other.name == key.name) {
        return Error(Code::kInvalid, "{} has the name {} of an entry before it", where,
                     Quoted(key.name));
      }
      if (other.sha256 == key.sha256) {
        return Error(Code::kInvalid, "{} has the key of {}", where, Quoted(other.name));
      }
    }
    keys.keys_.push_back(std::move(key));
  }
  // An empty list would open the server to everybody.
  if (keys.empty()) return Error(Code::kInvalid, "{} holds no key", what);
  return keys;
}

Result<ApiKeys> ApiKeys::Load(const std::string& path, std::string* warning) {
  WRING_ASSIGN(const std::string text, ReadText(path, kMaxFile));
  struct stat found = {};
  if (warning != nullptr && ::stat(path.c_str(), &found) == 0 &&
      (found.st_mode & (S_IRGRP | S_IROTH)) != 0) {
    *warning =
        fmt::format("others than its owner may read the keys in {}: chmod 600 it", Quoted(path));
  }
  return Parse(text, path);
}

const ApiKey* ApiKeys::Find(const HttpRequest& request) const {
  constexpr std::string_view kBearer = "bearer ";
  auto text = request.Header("authorization");
  const bool bearer =
      text.size() > kBearer.size() &&
      std::equal(kBearer.begin(), kBearer.end(), text.begin(),
                 [](char want, char c) { return want == (c >= 'A' && c <= 'Z' ? c + 32 : c); });
  if (!bearer) return FindKey(request.Header("x-api-key"));
  text.remove_prefix(std::min(text.find_first_not_of(' ', kBearer.size()), text.size()));
  return FindKey(text);
}

const ApiKey* ApiKeys::FindKey(std::string_view presented) const {
  const auto digest = Sha256(presented);
  const ApiKey* found = nullptr;
  for (const auto& key : keys_) {
    if (CRYPTO_memcmp(key.sha256.data(), digest.data(), digest.size()) == 0) found = &key;
  }
  return found;
}

void KeyLimits::Bucket::Fill(double per_minute, Clock::time_point now) {
  if (!begun) {
    begun = true;
    level = per_minute;
  } else if (now > at) {
    const double minutes = std::chrono::duration<double>(now - at).count() / 60;
    level = std::min(per_minute, level + minutes * per_minute);
  }
  at = std::max(at, now);
}

KeyLimits::Verdict KeyLimits::Begin(const ApiKey& key, uint64_t tokens, Clock::time_point now) {
  std::lock_guard lock(mutex_);
  Use& use = uses_[key.name];
  if (key.max_concurrent > 0 && use.running >= key.max_concurrent) {
    return {false, kConcurrentRetry, "max_concurrent"};
  }
  const auto wait = [now](Bucket& bucket, uint64_t per_minute, double need) {
    if (per_minute == 0) return 0.0;
    const auto rate = static_cast<double>(per_minute);
    bucket.Fill(rate, now);
    // Levels are sums of small steps: a hair's breadth below the need is the need.
    const double missing = std::min(need, rate) - bucket.level;
    return missing > 1e-6 ? missing / rate * 60 : 0.0;
  };
  const auto cost = static_cast<double>(tokens);
  const double requests = wait(use.requests, key.requests_per_minute, 1);
  const double token = wait(use.tokens, key.tokens_per_minute, cost);
  if (requests > 0 || token > 0) {
    return {false, std::max(requests, token),
            requests >= token ? "requests_per_minute" : "tokens_per_minute"};
  }
  use.requests.level -= 1;
  use.tokens.level -= cost;
  ++use.running;
  return {};
}

void KeyLimits::End(const ApiKey& key, uint64_t tokens, uint64_t used, Clock::time_point now) {
  std::lock_guard lock(mutex_);
  Use& use = uses_[key.name];
  if (use.running > 0) --use.running;
  if (key.tokens_per_minute == 0) return;
  const auto rate = static_cast<double>(key.tokens_per_minute);
  use.tokens.Fill(rate, now);
  use.tokens.level =
      std::min(rate, use.tokens.level + static_cast<double>(tokens) - static_cast<double>(used));
}

}  // namespace wring::server
