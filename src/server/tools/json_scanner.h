// One JSON value, checked byte by byte as it arrives (RFC 8259, nesting at most kMaxJsonDepth). It keeps no text: a
// tool call's arguments can be passed on while they are written, and a byte that JSON does not allow is seen at once.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace wring {

class JsonScanner {
 public:
  enum class Step : uint8_t { kMore, kDone, kBad };
  enum class Place : uint8_t {
    kValue,     // a value must begin
    kElement,   // after '[': a value or ']'
    kFirstKey,  // after '{': a key or '}'
    kKey,       // after ',' of an object
    kColon,
    kAfter,  // a value has ended: ',' or the closing bracket
    kString,
    kNumber,
    kLiteral,  // true, false, null
    kDone,
  };

  // kDone with the byte that ends an object, array, string or literal; a number at the top never ends by itself.
  // After kBad or kDone nothing may follow.
  Step Next(char c);

  Place place() const { return place_; }
  size_t depth() const { return open_.size(); }
  // The string that is being read is a key.
  bool in_key() const { return place_ == Place::kString && key_; }

 private:
  enum class Digits : uint8_t { kMinus, kZero, kWhole, kPoint, kFraction, kE, kESign, kExponent };

  Step Begin(char c);
  Step Open(char c);
  Step Close(char c);
  Step InString(char c);
  Step InNumber(char c);
  Step Ended();

  Place place_ = Place::kValue;
  std::string open_;  // the brackets that are open
  bool key_ = false;
  bool escape_ = false;
  int hex_ = 0;  // digits of \uXXXX still to come
  Digits digits_ = Digits::kMinus;
  std::string_view literal_;  // what of it is still to come
};

// Whether `text` is one JSON object and nothing else but whitespace around it.
bool IsJsonObject(std::string_view text);

inline bool IsJsonSpace(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace wring
