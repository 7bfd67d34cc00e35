#include "server/api/json_value.h"

#include <algorithm>
#include <vector>

#include "formats/json.h"

namespace wring::server {
namespace {

// Builds a value as the library's own reader does, but in linear time: ordered_json looks through all keys of an object
// for each one that it adds, which makes a body of many keys a way to stop the server.
class Builder : public nlohmann::json_sax<Json> {
 public:
  explicit Builder(Json* root) : root_(root) {}

  bool null() override { return Add(Json()); }
  bool boolean(bool value) override { return Add(Json(value)); }
  bool number_integer(number_integer_t value) override { return Add(Json(value)); }
  bool number_unsigned(number_unsigned_t value) override { return Add(Json(value)); }
  bool number_float(number_float_t value, const string_t&) override { return Add(Json(value)); }
  bool string(string_t& value) override { return Add(Json(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return Open(Json::object()); }
  bool start_array(std::size_t) override { return Open(Json::array()); }
  bool key(string_t& value) override {
    keys_.back() = std::move(value);
    return true;
  }
  bool end_object() override {
    DropRepeated(*stack_.back()->get_ptr<Json::object_t*>());
    return Close();
  }
  bool end_array() override { return Close(); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    error_at_ = position;
    return false;
  }
  size_t error_at() const { return error_at_; }

 private:
  using Members = std::vector<std::pair<const std::string, Json>>;

  Json* Place(Json value) {
    if (stack_.empty()) {
      *root_ = std::move(value);
      return root_;
    }
    Json& parent = *stack_.back();
    if (auto* array = parent.get_ptr<Json::array_t*>()) {
      array->push_back(std::move(value));
      return &array->back();
    }
    Members& members =
        *parent.get_ptr<Json::object_t*>();  // a vector, whose push looks at no other key
    members.emplace_back(std::move(keys_.back()), std::move(value));
    return &members.back().second;
  }
  bool Add(Json value) {
    Place(std::move(value));
    return true;
  }
  bool Open(Json value) {
    stack_.push_back(Place(std::move(value)));
    keys_.emplace_back();
    return true;
  }
  bool Close() {
    stack_.pop_back();
    keys_.pop_back();
    return true;
  }

  static void DropRepeated(Members& members) {
    if (members.size() < 2) return;
    std::vector<size_t> order(members.size());
    for (size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      const int c = members[a].first.compare(members[b].first);
      return c != 0 ? c < 0 : a < b;
    });
    std::vector<bool> keep(members.size(), true);
    bool repeated = false;
    for (size_t i = 0; i + 1 < order.size(); ++i) {
      if (members[order[i]].first != members[order[i + 1]].first) continue;
      keep[order[i]] = false;
      repeated = true;
    }
    if (!repeated) return;
    Members kept;
    for (size_t i = 0; i < members.size(); ++i) {
      if (keep[i]) kept.emplace_back(members[i].first, std::move(members[i].second));
    }
    members.swap(kept);
  }

  Json* root_;
  std::vector<Json*> stack_;  // a parent does not grow while a child is open, so these stay valid
  std::vector<std::string> keys_;
  size_t error_at_ = 0;
};

}  // namespace

ApiResult<Json> ParseObject(std::string_view text) {
  if (text.size() > kMaxJsonBytes) {
    return MakeError(413, fmt::format("the body has {} bytes, at most {} are read: send less",
                                      text.size(), kMaxJsonBytes));
  }
  if (NestsTooDeep(text)) {
    return MakeError(400, fmt::format("the body nests deeper than {} levels: send a flatter one",
                                      kMaxJsonDepth));
  }
  Json value;
  Builder builder(&value);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    return MakeError(400, fmt::format("the body is not valid JSON at byte {}: correct it there",
                                      builder.error_at()));
  }
  if (!value.is_object()) {
    return MakeError(400, "the body is not a JSON object: send one, {\"model\": ...}");
  }
  return value;
}

bool ParseValue(std::string_view text, Json* value) {
  if (text.size() > kMaxJsonBytes || NestsTooDeep(text)) return false;
  Builder builder(value);
  return Json::sax_parse(text.begin(), text.end(), &builder);
}

std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

const Json* FindMember(const Json& object, std::string_view name) {
  const auto* members = object.get_ptr<const Json::object_t*>();
  if (members == nullptr) return nullptr;
  for (const auto& [key, value] : *members) {
    if (key == name) return value.is_null() ? nullptr : &value;
  }
  return nullptr;
}

const std::string* FindText(const Json& object, std::string_view name) {
  const Json* value = FindMember(object, name);
  return value == nullptr ? nullptr : value->get_ptr<const std::string*>();
}

}  // namespace wring::server
