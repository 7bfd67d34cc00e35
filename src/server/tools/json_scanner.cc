#include "server/tools/json_scanner.h"

#include "formats/json.h"

namespace wring {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsHex(char c) { return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

}  // namespace

JsonScanner::Step JsonScanner::Next(char c) {
  if (place_ == Place::kString) return InString(c);
  if (place_ == Place::kNumber) return InNumber(c);
  if (place_ == Place::kLiteral) {
    if (!literal_.starts_with(c)) return Step::kBad;
    literal_.remove_prefix(1);
    return literal_.empty() ? Ended() : Step::kMore;
  }
  if (IsJsonSpace(c) && place_ != Place::kDone) return Step::kMore;
  switch (place_) {
    case Place::kElement:
      if (c == ']') return Close(c);
      [[fallthrough]];
    case Place::kValue: return Begin(c);
    case Place::kFirstKey:
      if (c == '}') return Close(c);
      [[fallthrough]];
    case Place::kKey:
      if (c != '"') return Step::kBad;
      key_ = true;
      place_ = Place::kString;
      return Step::kMore;
    case Place::kColon:
      if (c != ':') return Step::kBad;
      place_ = Place::kValue;
      return Step::kMore;
    case Place::kAfter:
      if (c != ',') return Close(c);
      place_ = open_.back() == '{' ? Place::kKey : Place::kValue;
      return Step::kMore;
    default: return Step::kBad;
  }
}

JsonScanner::Step JsonScanner::Begin(char c) {
  switch (c) {
    case '{':
    case '[': return Open(c);
    case '"':
      key_ = false;
      place_ = Place::kString;
      return Step::kMore;
    case 't': literal_ = "rue"; break;
    case 'f': literal_ = "alse"; break;
    case 'n': literal_ = "ull"; break;
    default:
      if (c != '-' && !IsDigit(c)) return Step::kBad;
      place_ = Place::kNumber;
      digits_ = c == '-' ? Digits::kMinus : c == '0' ? Digits::kZero : Digits::kWhole;
      return Step::kMore;
  }
  place_ = Place::kLiteral;
  return Step::kMore;
}

JsonScanner::Step JsonScanner::Open(char c) {
  if (open_.size() >= static_cast<size_t>(kMaxJsonDepth)) return Step::kBad;
  open_ += c;
  place_ = c == '{' ? Place::kFirstKey : Place::kElement;
  return Step::kMore;
}

JsonScanner::Step JsonScanner::Close(char c) {
  if (c != (open_.back() == '{' ? '}' : ']')) return Step::kBad;
  open_.pop_back();
  return Ended();
}

// A value has ended.
JsonScanner::Step JsonScanner::Ended() {
  place_ = open_.empty() ? Place::kDone : Place::kAfter;
  return open_.empty() ? Step::kDone : Step::kMore;
}

JsonScanner::Step JsonScanner::InString(char c) {
  if (hex_ > 0) {
    --hex_;
    return IsHex(c) ? Step::kMore : Step::kBad;
  }
  if (escape_) {
    escape_ = false;
    if (c == 'u') hex_ = 4;
    return std::string_view("\"\\/bfnrtu").find(c) == std::string_view::npos ? Step::kBad
                                                                             : Step::kMore;
  }
  if (static_cast<unsigned char>(c) < 0x20) return Step::kBad;
  escape_ = c == '\\';
  if (c != '"') return Step::kMore;
  if (!key_) return Ended();
  place_ = Place::kColon;
  return Step::kMore;
}

JsonScanner::Step JsonScanner::InNumber(char c) {
  const bool digit = IsDigit(c);
  const bool whole = digits_ == Digits::kZero || digits_ == Digits::kWhole;
  if (digit && digits_ != Digits::kZero) {
    switch (digits_) {
      case Digits::kMinus: digits_ = c == '0' ? Digits::kZero : Digits::kWhole; break;
      case Digits::kPoint: digits_ = Digits::kFraction; break;
      case Digits::kE:
      case Digits::kESign: digits_ = Digits::kExponent; break;
      default: break;
    }
    return Step::kMore;
  }
  if (c == '.' && whole) {
    digits_ = Digits::kPoint;
  } else if ((c == 'e' || c == 'E') && (whole || digits_ == Digits::kFraction)) {
    digits_ = Digits::kE;
  } else if ((c == '+' || c == '-') && digits_ == Digits::kE) {
    digits_ = Digits::kESign;
  } else {
    // Whatever else comes ends the number, if it is one by now.
    if (digit || (!whole && digits_ != Digits::kFraction && digits_ != Digits::kExponent))
      return Step::kBad;
    if (open_.empty()) return Step::kBad;
    place_ = Place::kAfter;
    return Next(c);
  }
  return Step::kMore;
}

bool IsJsonObject(std::string_view text) {
  while (!text.empty() && IsJsonSpace(text.back())) text.remove_suffix(1);
  while (!text.empty() && IsJsonSpace(text.front())) text.remove_prefix(1);
  if (!text.starts_with('{')) return false;
  JsonScanner scanner;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto step = scanner.Next(text[i]);
    if (step != JsonScanner::Step::kMore)
      return step == JsonScanner::Step::kDone && i + 1 == text.size();
  }
  return false;
}

}  // namespace wring
