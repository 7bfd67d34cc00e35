#include "server/tools/python_calls.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "formats/json.h"

namespace wring {
namespace {

using Json = nlohmann::ordered_json;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool InName(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || IsDigit(c);
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::vector<PythonCall> Calls() {
    const bool list = Take('[');
    do {
      if (list && !calls_.empty() && Take(']')) return AtEnd();  // a comma before the end
      if (!Call()) return {};
    } while (list ? Take(',') : (Take(';'), !Ended()));
    if (list && !Take(']')) return {};
    return AtEnd();
  }

 private:
  std::vector<PythonCall> AtEnd() {
    return Ended() ? std::move(calls_) : std::vector<PythonCall>();
  }

  void Skip() {
    while (!text_.empty() && std::string_view(" \t\r\n").find(text_[0]) != std::string_view::npos)
      text_.remove_prefix(1);
  }
  bool Ended() {
    Skip();
    return text_.empty();
  }
  bool Take(char c) {
    Skip();
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }
  std::string_view Name(bool dotted) {
    Skip();
    size_t end = 0;
    while (end < text_.size() && (InName(text_[end]) || (dotted && text_[end] == '.'))) ++end;
    if (end > 0 && (IsDigit(text_[0]) || text_[0] == '.')) end = 0;
    const auto name = text_.substr(0, end);
    text_.remove_prefix(end);
    return name;
  }

  bool Call() {
    auto name = Name(true);
    if (name.empty() || !Take('(')) return false;
    const bool printed = name == "print";
    if (printed) {
      name = Name(true);
      if (name.empty() || !Take('(')) return false;
    }
    Json arguments = Json::object();
    while (!Take(')')) {
      const std::string key(Name(false));
      auto value = key.empty() || !Take('=') ? std::nullopt : Value(0);
      if (!value) return false;
      arguments[key] = *std::move(value);
      if (!Take(',')) {
        if (!Take(')')) return false;
        break;
      }
    }
    if (printed && !Take(')')) return false;
    calls_.push_back(
        {std::string(name), arguments.dump(-1, ' ', false, Json::error_handler_t::replace)});
    return true;
  }

  std::optional<Json> Value(int depth) {
    Skip();
    if (text_.empty() || depth >= kMaxJsonDepth - 1) return std::nullopt;
    const char c = text_[0];
    if (c == '"' || c == '\'') return String();
    if (c == '-' || c == '+' || c == '.' || IsDigit(c)) return Number();
    if (Take('[')) return Sequence(']', depth);
    if (Take('(')) return Sequence(')', depth);
    if (Take('{')) return Dictionary(depth);
    const auto word = Name(false);
    if (word == "True" || word == "true") return Json(true);
    if (word == "False" || word == "false") return Json(false);
    if (word == "None" || word == "null") return Json(nullptr);
    return std::nullopt;
  }

  std::optional<Json> Sequence(char close, int depth) {
    Json out = Json::array();
    while (!Take(close)) {
      auto value = Value(depth + 1);
      if (!value) return std::nullopt;
      out.push_back(*std::move(value));
      if (!Take(',')) return Take(close) ? std::optional(out) : std::nullopt;
    }
    return out;
  }

  std::optional<Json> Dictionary(int depth) {
    Json out = Json::object();
    while (!Take('}')) {
      Skip();
      const bool quoted = text_.starts_with('"') || text_.starts_with('\'');
      auto key = quoted ? String() : std::nullopt;
      if (!key || !Take(':')) return std::nullopt;
      auto value = Value(depth + 1);
      if (!value) return std::nullopt;
      out[key->get<std::string>()] = *std::move(value);
      if (!Take(',')) return Take('}') ? std::optional(out) : std::nullopt;
    }
    return out;
  }

  // JSON's numbers, and those that begin with '+', '.' or end with '.'; "_" between digits is left out.
  std::optional<Json> Number() {
    std::string digits;
    if (Take('-')) {
      digits = "-";
    } else {
      Take('+');
    }
    if (text_.starts_with('.')) digits += '0';
    while (!text_.empty() &&
           (IsDigit(text_[0]) || text_[0] == '.' || text_[0] == '_' || text_[0] == 'e' ||
            text_[0] == 'E' ||
            (digits.size() > 1 && (digits.back() == 'e' || digits.back() == 'E') &&
             (text_[0] == '-' || text_[0] == '+')))) {
      if (text_[0] != '_') digits += text_[0];
      text_.remove_prefix(1);
    }
    if (digits.ends_with('.')) digits += '0';
    Json value = Json::parse(digits, nullptr, false);
    if (!value.is_number()) return std::nullopt;
    return value;
  }

  std::optional<Json> String() {
    const char quote = text_[0];
    const std::string three(3, quote);
    const bool lines = text_.starts_with(three);
    text_.remove_prefix(lines ? 3 : 1);
    std::string out;
    while (!text_.empty()) {
      if (lines ? text_.starts_with(three) : text_[0] == quote) {
        text_.remove_prefix(lines ? 3 : 1);
        return Json(std::move(out));
      }
      const char c = text_[0];
      text_.remove_prefix(1);
      if (c == '\n' && !lines) return std::nullopt;
      if (c != '\\') {
        out += c;
      } else if (!Escape(out)) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  // What follows a backslash. \x, \N and octal escapes are for bytes, which JSON has none of.
  bool Escape(std::string& out) {
    if (text_.empty()) return false;
    const char c = text_[0];
    if (c == 'u') {
      // JSON's reader knows surrogates; a pair is two escapes.
      const size_t length = text_.size() >= 11 && text_[5] == '\\' && text_[6] == 'u' ? 11 : 5;
      for (const size_t n : {length, size_t{5}}) {
        const auto value =
            Json::parse("\"\\" + std::string(text_.substr(0, n)) + "\"", nullptr, false);
        if (!value.is_string()) continue;
        out += value.get<std::string>();
        text_.remove_prefix(n);
        return true;
      }
      return false;
    }
    text_.remove_prefix(1);
    constexpr std::string_view kFrom = "nrtbf\\'\"", kTo = "\n\r\t\b\f\\'\"";
    if (c == 'x' || c == 'N' || IsDigit(c)) return false;
    const size_t at = kFrom.find(c);
    if (c == '\n') return true;  // the line goes on
    if (at == std::string_view::npos) {
      out += '\\';
      out += c;
      return true;
    }
    out += kTo[at];
    return true;
  }

  std::string_view text_;
  std::vector<PythonCall> calls_;
};

}  // namespace

std::vector<PythonCall> ParsePythonCalls(std::string_view text) { return Reader(text).Calls(); }

}  // namespace wring
