// What a format's file says about it: how to know it, how its calls begin and end, and its grammar.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/tools/call_format.h"

namespace wring {

// One way in which calls begin. After `marker` (and whitespace) comes an object {"name", "arguments"}, or an array of
// them, then `close` where there is one. "arguments" may be called "parameters" anywhere.
struct CallOpening {
  std::string_view marker = {};  // empty: nothing announces the call but its own '{'
  std::string_view close = {};   // may be missing at the end of the text
  // Other text begins so too: a call must name a known tool and have arguments.
  bool shared = false;
  bool first = false;   // only where no other text has come before
  bool array = false;   // [{...}, {...}]
  bool named = false;   // name{...} and name[ARGS]{...}
  bool python = false;  // name(key=value) up to `close`
};

class CallRules;

struct FormatSpec {
  CallFormat format;
  std::string_view name;
  bool (*matches)(std::string_view chat_template);
  std::span<const CallOpening> openings;
  char separator = 0;  // between objects that no array holds
  // The Lark rule `calls`: one call, or several when rules.parallel().
  std::string (*grammar)(const CallRules& rules);
};

// In the order in which templates are looked at.
std::span<const FormatSpec* const> FormatSpecs();
const FormatSpec* FindFormatSpec(CallFormat format);  // null for kNone

extern const FormatSpec kHermesFormat;
extern const FormatSpec kLlama3Format;
extern const FormatSpec kMistralFormat;
extern const FormatSpec kGemmaFormat;
extern const FormatSpec kPhiFormat;

// What a format's grammar is written with: pieces of Lark.
class CallRules {
 public:
  virtual ~CallRules() = default;
  virtual bool parallel() const = 0;
  // The tokenizer has `text` as one token.
  virtual bool HasToken(std::string_view text) const = 0;
  // `text` as the token that it is, else spelled.
  virtual std::string Marker(std::string_view text) const = 0;
  // The rule `call`: a JSON object {"name": ..., KEY: {...}} of one of the tools, and what it needs.
  virtual std::string Objects(std::string_view key) const = 0;
  // The rule `named`: a tool's name, the atom `between`, its arguments.
  virtual std::string Named(std::string_view between) const = 0;
};

inline bool Has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace wring
