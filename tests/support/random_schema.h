// Random JSON schemas in the shape of the JSON Schema test suite, and a validator for the keywords they use.
#pragma once

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>

#include "base/result.h"
#include "base/rng.h"

namespace wring::testing {

using Json = nlohmann::json;

// Numbers that are a pure function of the seed and how many were drawn.
class Random {
 public:
  explicit Random(uint64_t seed) : seed_(seed) {}
  // In [0, n).
  uint32_t Below(uint32_t n) {
    return static_cast<uint32_t>(Uniform(seed_, 0, 0, Draw::kTest, next_++) * n);
  }
  bool Chance(double p) { return Uniform(seed_, 0, 0, Draw::kTest, next_++) < p; }

 private:
  uint64_t seed_;
  uint32_t next_ = 0;
};

class SchemaMaker {
 public:
  explicit SchemaMaker(uint64_t seed) : random_(seed) {}

  Json Make() {
    definitions_ = random_.Below(3);
    Json schema = Any(0);
    for (uint32_t i = 0; i < definitions_; ++i) schema["$defs"][Definition(i)] = Any(2);
    // One that holds itself, but need not.
    if (definitions_ > 0 && random_.Chance(0.3)) {
      schema["$defs"][Definition(0)] = {
          {"type", "object"},
          {"properties", {{"item", {{"type", "integer"}}}, {"rest", {{"$ref", "#/$defs/d0"}}}}},
          {"required", {"item"}},
          {"additionalProperties", false}};
    }
    return schema;
  }

 private:
  static std::string Definition(uint32_t i) { return fmt::format("d{}", i); }

  Json Any(int depth) {
    // A definition points to later ones only, so none is itself and nothing else.
    if (depth < 2 && definitions_ > 0 && random_.Chance(0.15) && depth > 0)
      return {{"$ref", fmt::format("#/$defs/{}", Definition(random_.Below(definitions_)))}};
    // The whole document is mostly a list or an object.
    const uint32_t least = depth == 0 && random_.Chance(0.8) ? 7 : 0;
    switch (least + random_.Below((depth >= 3 ? 7 : 13) - least)) {
      case 0: return Text();
      case 1: return Whole();
      case 2: return {{"type", "number"}};
      case 3: return {{"type", random_.Chance(0.5) ? "boolean" : "null"}};
      case 4: return {{"enum", Scalars()}};
      case 5: return {{"const", Scalars()[0]}};
      case 6: return {{"type", {"null", random_.Chance(0.5) ? "string" : "integer"}}};
      case 7:
      case 8: return List(depth);
      case 9:
      case 10: return Object(depth, "abcdef");
      case 11: return {{"anyOf", {Any(depth + 1), Any(depth + 1)}}};
      default: return {{"allOf", {Object(depth, "abc"), Object(depth, "xyz")}}};
    }
  }

  Json Scalars() {
    const Json all = {"red", "a \"b\"\n", "", "é日", 0, -7, 12345, true, false, nullptr, "1"};
    Json some = Json::array();
    while (some.empty()) {
      for (const auto& s : all) {
        if (random_.Chance(0.3)) some.push_back(s);
      }
    }
    return some;
  }

  Json Text() {
    Json s = {{"type", "string"}};
    const char* patterns[] = {"^[a-c]+$", "^x[0-9]{2,4}$", "^(ab|cd){1,3}$", "^[A-Z][a-z]*$",
                              "^\\d{3}-\\d{2}$"};
    if (random_.Chance(0.3)) {
      s["pattern"] = patterns[random_.Below(5)];
      return s;
    }
    const uint32_t low = random_.Below(6);
    if (random_.Chance(0.5)) s["minLength"] = low;
    if (random_.Chance(0.5)) s["maxLength"] = low + random_.Below(10);
    return s;
  }

  Json Whole() {
    Json s = {{"type", random_.Chance(0.7) ? "integer" : "number"}};
    const int low = static_cast<int>(random_.Below(300)) - 150;
    if (random_.Chance(0.6)) s[random_.Chance(0.7) ? "minimum" : "exclusiveMinimum"] = low;
    if (random_.Chance(0.6)) s["maximum"] = low + 1 + static_cast<int>(random_.Below(2000));
    return s;
  }

  Json List(int depth) {
    Json s = {{"type", "array"}};
    if (random_.Chance(0.8)) s["items"] = Any(depth + 1);
    if (random_.Chance(0.3)) s["prefixItems"] = {Any(depth + 1), Any(depth + 1)};
    const uint32_t low = random_.Below(3);
    if (random_.Chance(0.4)) s["minItems"] = low;
    if (random_.Chance(0.5)) s["maxItems"] = low + random_.Below(4);
    return s;
  }

  Json Object(int depth, const std::string& names) {
    Json s = {{"type", "object"}};
    Json required = Json::array();
    for (const char name : names) {
      if (!random_.Chance(0.4)) continue;
      const std::string key = random_.Chance(0.8) ? std::string(1, name) : std::string(3, name);
      s["properties"][key] = Any(depth + 1);
      if (random_.Chance(0.5)) required.push_back(key);
    }
    if (!required.empty()) s["required"] = required;
    // Parts of an allOf see each other's properties, so they close nothing.
    if (names == "abcdef" && random_.Chance(0.7)) {
      s["additionalProperties"] = random_.Chance(0.7) ? Json(false) : Json({{"type", "integer"}});
    }
    return s;
  }

  Random random_;
  uint32_t definitions_ = 0;
};

// Empty when `value` follows `schema`, else what does not.
class SchemaValidator {
 public:
  explicit SchemaValidator(const Json& root) : root_(root) {}

  std::string Check(const Json& value) const { return Check(root_, value); }

 private:
  static std::string Wrong(const char* keyword, const Json& schema, const Json& value) {
    return std::string(keyword) + " of " + schema.dump() + " by " + value.dump();
  }

  static bool IsWhole(const Json& v) {
    return v.is_number_integer() ||
           (v.is_number_float() && std::floor(v.get<double>()) == v.get<double>());
  }
  static bool HasType(const std::string& type, const Json& v) {
    if (type == "string") return v.is_string();
    if (type == "integer") return IsWhole(v);
    if (type == "number") return v.is_number();
    if (type == "boolean") return v.is_boolean();
    if (type == "null") return v.is_null();
    if (type == "array") return v.is_array();
    return type == "object" && v.is_object();
  }

  std::string Check(const Json& s, const Json& v) const {
    if (s.is_boolean()) return s.get<bool>() ? "" : Wrong("false", s, v);
    if (s.contains("$ref")) {
      std::string why =
          Check(root_.at(Json::json_pointer(s["$ref"].get<std::string>().substr(1))), v);
      if (!why.empty()) return why;
    }
    if (s.contains("type")) {
      const Json types = s["type"].is_array() ? s["type"] : Json::array({s["type"]});
      const bool good =
          std::any_of(types.begin(), types.end(), [&](const Json& t) { return HasType(t, v); });
      if (!good) return Wrong("type", s, v);
    }
    if (s.contains("enum") && std::find(s["enum"].begin(), s["enum"].end(), v) == s["enum"].end())
      return Wrong("enum", s, v);
    if (s.contains("const") && s["const"] != v) return Wrong("const", s, v);
    if (s.contains("anyOf")) {
      const bool good = std::any_of(s["anyOf"].begin(), s["anyOf"].end(),
                                    [&](const Json& one) { return Check(one, v).empty(); });
      if (!good) return Wrong("anyOf", s, v);
    }
    for (const auto& one : s.value("allOf", Json::array())) {
      if (auto why = Check(one, v); !why.empty()) return why;
    }
    if (v.is_string()) return CheckText(s, v);
    if (v.is_number()) return CheckNumber(s, v);
    if (v.is_array()) return CheckList(s, v);
    return v.is_object() ? CheckObject(s, v) : "";
  }

  static std::string CheckText(const Json& s, const Json& v) {
    const auto text = v.get<std::string>();
    const auto length = static_cast<size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
    if (s.contains("minLength") && length < s["minLength"]) return Wrong("minLength", s, v);
    if (s.contains("maxLength") && length > s["maxLength"]) return Wrong("maxLength", s, v);
    if (s.contains("pattern") &&
        !std::regex_search(text, std::regex(s["pattern"].get<std::string>())))
      return Wrong("pattern", s, v);
    return "";
  }

  static std::string CheckNumber(const Json& s, const Json& v) {
    const auto x = v.get<double>();
    if (s.contains("minimum") && x < s["minimum"]) return Wrong("minimum", s, v);
    if (s.contains("maximum") && x > s["maximum"]) return Wrong("maximum", s, v);
    if (s.contains("exclusiveMinimum") && x <= s["exclusiveMinimum"])
      return Wrong("exclusiveMinimum", s, v);
    return "";
  }

  std::string CheckList(const Json& s, const Json& v) const {
    if (s.contains("minItems") && v.size() < s["minItems"]) return Wrong("minItems", s, v);
    if (s.contains("maxItems") && v.size() > s["maxItems"]) return Wrong("maxItems", s, v);
    const Json prefix = s.value("prefixItems", Json::array());
    for (size_t i = 0; i < v.size(); ++i) {
      const Json& one = i < prefix.size() ? prefix[i] : s.contains("items") ? s["items"] : kAny;
      if (auto why = Check(one, v[i]); !why.empty()) return why;
    }
    return "";
  }

  std::string CheckObject(const Json& s, const Json& v) const {
    for (const auto& key : s.value("required", Json::array())) {
      if (!v.contains(key.get<std::string>())) return Wrong("required", s, v);
    }
    const Json properties = s.value("properties", Json::object());
    for (const auto& [key, value] : v.items()) {
      const Json& one = properties.contains(key)             ? properties[key]
                        : s.contains("additionalProperties") ? s["additionalProperties"]
                                                             : kAny;
      if (auto why = Check(one, value); !why.empty()) return why;
    }
    return "";
  }

  static inline const Json kAny = true;
  const Json& root_;
};

}  // namespace wring::testing
