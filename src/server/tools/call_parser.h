// Tool calls of any format in a stream of text, told apart by what the format's file says.
#pragma once

#include <optional>
#include <string>

#include "server/tools/call_object.h"
#include "server/tools/format_spec.h"
#include "server/tools/output_parser.h"

namespace wring {

// A machine that takes a byte at a time, so cuts cannot matter. Every byte is in one place at any time: in an event, in
// held_ (uncertain), or it was the syntax of a call.
class CallParser final : public OutputParser, private CallSink {
 public:
  CallParser(const FormatSpec& spec, OutputParserOptions options)
      : spec_(&spec), options_(std::move(options)) {}

  void Push(std::string_view text, OutputEvents& events) override;
  void Finish(OutputEvents& events) override;

 private:
  enum class State : uint8_t {
    kContent,       // held_: whitespace, then what may be the first bytes of a marker
    kBody,          // after a marker
    kElement,       // an array's element must begin
    kObject,        // in a call
    kAfterElement,  // ',' or ']'
    kAfterObject,   // the separator, or something else
    kNextObject,    // after the separator
    kClose,         // the closing marker
    kName,          // name, [CALL_ID], [ARGS] up to the arguments
    kArguments,     // of a named call
    kPython,
    kForeign,  // in a JSON object that is no call: nothing in it is one either
  };

  void Take(char c);
  void TakeContent(char c);
  void TakeBody(char c);
  void TakeObject(char c);
  void TakeAfter(char c);
  void TakeClose(char c);
  void TakeName(char c);
  void TakeArguments(char c);
  void TakePython(char c);
  void TakeForeign(char c);
  bool EndPython();

  void Hold(char c, State next);
  void Open(const CallOpening& opening);
  void BeginObject(char c);
  void ObjectEnded();
  void CallsEnded();
  void GiveBack();
  void GiveBackAndTake(char c);
  void Content(std::string_view text);
  const CallOpening* OpeningOf(std::string_view text, bool whole) const;

  void BeginCall(const std::string& name) override;
  void Arguments(std::string_view piece) override;
  void EndCall(bool complete) override;
  bool Knows(std::string_view name) const override;

  const FormatSpec* spec_;
  OutputParserOptions options_;
  OutputEvents* events_ = nullptr;  // of the push in progress
  State state_ = State::kContent;
  std::string held_;
  size_t marker_ = 0;  // where in held_ a marker may have begun
  const CallOpening* opening_ = nullptr;
  bool in_array_ = false;
  bool content_ = false;     // some has come
  bool after_call_ = false;  // no content has come since the last call
  std::optional<CallObject> object_;
  JsonScanner scanner_;
  std::string head_;  // of a named call; the body of a Python one
  uint32_t calls_ = 0;
};

}  // namespace wring
