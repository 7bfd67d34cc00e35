#include "server/tools/named_call.h"

#include "server/tools/json_scanner.h"

namespace wring {
namespace {

// Names have 64 at most, ids 9; a little room for those of others.
constexpr size_t kMostWord = 128;

bool InWord(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '-' || c == '.';
}

std::string_view TakeWord(std::string_view& text) {
  size_t end = 0;
  while (end < text.size() && InWord(text[end])) ++end;
  const auto word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

struct Head {
  std::string_view name;
  bool fits = false;   // no byte is wrong
  bool whole = false;  // nothing is missing
};

// Removes `tag` from the front of `text`; false when text may be the tag's beginning only.
bool TakeTag(std::string_view& text, std::string_view tag) {
  if (!text.starts_with(tag)) return !tag.starts_with(text) || text.empty();
  text.remove_prefix(tag.size());
  return true;
}

Head Read(std::string_view head) {
  Head out;
  out.name = TakeWord(head);
  if (out.name.empty() || out.name.size() > kMostWord) return out;
  if (head.starts_with("[C")) {
    if (!TakeTag(head, "[CALL_ID]")) return {out.name, true, false};
    const auto id = TakeWord(head);
    if (id.size() > kMostWord) return out;
  }
  if (!TakeTag(head, "[ARGS]")) return {out.name, true, false};
  out.fits = out.whole =
      head.empty() || (head.size() <= kMostWord && head.find_first_not_of(" \t\r\n") == head.npos);
  return out;
}

}  // namespace

bool MayBeCallHead(std::string_view head) { return Read(head).fits; }

std::string_view NameOfCallHead(std::string_view head) {
  const Head read = Read(head);
  return read.whole ? read.name : std::string_view();
}

}  // namespace wring
