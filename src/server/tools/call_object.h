// One call written as a JSON object {"name": ..., "arguments": {...}}, read byte by byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/tools/json_scanner.h"

namespace wring {

// Gets a call once it is certain to be one.
class CallSink {
 public:
  virtual ~CallSink() = default;
  virtual void BeginCall(const std::string& name) = 0;
  virtual void Arguments(std::string_view piece) = 0;
  virtual void EndCall(bool complete) = 0;
  // A tool of that name was offered.
  virtual bool Knows(std::string_view name) const = 0;
};

class CallObject {
 public:
  enum class Step : uint8_t {
    kHeld,   // the byte is syntax; what it belongs to may still turn out to be no call
    kTaken,  // the byte, and all before it, is part of a call that the sink has
    kDone,   // the object has ended, the call is whole
    kBad,  // the byte does not fit; the sink has no call, or one that it must end as incomplete when streaming()
  };

  // `shared`: nothing but calls' own shape announces the call, so it must name a known tool, have arguments, and begin with keys that calls
  // have. The keys matter because an answer in JSON should not be held back until its end.
  CallObject(CallSink& sink, bool shared) : sink_(&sink), shared_(shared) {}

  Step Next(char c);
  // Arguments are being passed on: the call has begun and has not ended.
  bool streaming() const { return value_ == Value::kArguments && begun_; }
  bool ended() const { return begun_ && !streaming(); }
  // How far the object is JSON; nothing once a byte was none.
  std::optional<JsonScanner> json() const {
    return json_fault_ ? std::nullopt : std::optional(scanner_);
  }

 private:
  enum class Value : uint8_t { kNone, kName, kArguments, kQuotedArguments, kOther };

  bool BeginValue(char c);
  Step EndValue();
  Step EndObject();
  Step Give();

  CallSink* sink_;
  bool shared_;
  JsonScanner scanner_;
  std::string key_;   // with its quotes
  std::string text_;  // of the value that is read, where it is kept
  Value value_ = Value::kNone;
  bool has_name_ = false;
  bool has_arguments_ = false;
  bool begun_ = false;
  bool json_fault_ = false;
  std::string name_;
  std::string arguments_;  // when they came before the name
};

}  // namespace wring
