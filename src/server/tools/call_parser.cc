#include "server/tools/call_parser.h"

#include <algorithm>
#include <utility>

#include "server/tools/named_call.h"
#include "server/tools/python_calls.h"

namespace wring {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

// A bare call begins with its own '{'.
std::string_view MarkerOf(const CallOpening& opening) {
  return opening.marker.empty() ? "{" : opening.marker;
}

}  // namespace

void CallParser::Push(std::string_view text, OutputEvents& events) {
  events_ = &events;
  for (const char c : text) Take(c);
}

void CallParser::Take(char c) {
  switch (state_) {
    case State::kContent: return TakeContent(c);
    case State::kBody:
    case State::kElement:
    case State::kNextObject: return TakeBody(c);
    case State::kObject: return TakeObject(c);
    case State::kAfterElement:
    case State::kAfterObject: return TakeAfter(c);
    case State::kClose: return TakeClose(c);
    case State::kName: return TakeName(c);
    case State::kArguments: return TakeArguments(c);
    case State::kPython: return TakePython(c);
    case State::kForeign: return TakeForeign(c);
  }
}

void CallParser::Hold(char c, State next) {
  held_ += c;
  state_ = next;
}

// The opening whose marker is `text`, or begins with it.
const CallOpening* CallParser::OpeningOf(std::string_view text, bool whole) const {
  for (const auto& opening : spec_->openings) {
    if (opening.first && content_) continue;
    const auto marker = MarkerOf(opening);
    if (whole ? marker == text : marker.starts_with(text)) return &opening;
  }
  return nullptr;
}

void CallParser::TakeContent(char c) {
  held_ += c;
  if (held_.size() == marker_ + 1 && IsJsonSpace(c)) {
    ++marker_;
    return;
  }
  // What does not begin a marker is content, and so is the whitespace before it.
  size_t at = marker_;
  while (at < held_.size() && OpeningOf(std::string_view(held_).substr(at), false) == nullptr) ++at;
  if (at > marker_) {
    if (IsJsonSpace(c)) at = held_.size() - 1;
    Content(std::string_view(held_).substr(0, at));
    held_.erase(0, at);
    marker_ = IsJsonSpace(c) ? 1 : 0;
  }
  const CallOpening* opening = OpeningOf(std::string_view(held_).substr(marker_), true);
  if (opening != nullptr) Open(*opening);
}

void CallParser::Open(const CallOpening& opening) {
  opening_ = &opening;
  in_array_ = false;
  state_ = State::kBody;
  if (!opening.marker.empty()) return;
  held_.pop_back();
  BeginObject('{');
}

void CallParser::TakeBody(char c) {
  if (IsJsonSpace(c)) return Hold(c, state_);
  if (c == '{') return BeginObject(c);
  if (state_ == State::kBody && c == '[' && opening_->array) {
    in_array_ = true;
    return Hold(c, State::kElement);
  }
  if (state_ == State::kBody && (opening_->named || opening_->python)) {
    head_.clear();
    state_ = opening_->named ? State::kName : State::kPython;
    return Take(c);
  }
  GiveBackAndTake(c);
}

void CallParser::BeginObject(char c) {
  CallSink& sink = *this;  // the base is private
  object_.emplace(sink, opening_->shared);
  state_ = State::kObject;
  TakeObject(c);
}

void CallParser::TakeObject(char c) {
  switch (object_->Next(c)) {
    case CallObject::Step::kHeld: held_ += c; return;
    case CallObject::Step::kTaken: return;
    case CallObject::Step::kDone: return ObjectEnded();
    case CallObject::Step::kBad:
      if (opening_->shared && object_->json()) {
        scanner_ = *object_->json();
        Content(std::exchange(held_, {}) + c);
        marker_ = 0;
        state_ = scanner_.depth() > 0 ? State::kForeign : State::kContent;
        return;
      }
      if (object_->streaming()) EndCall(false);
      return GiveBackAndTake(c);
  }
}

void CallParser::ObjectEnded() {
  held_.clear();
  if (in_array_) {
    state_ = State::kAfterElement;
  } else if (!opening_->close.empty()) {
    marker_ = 0;
    state_ = State::kClose;
  } else if (spec_->separator != 0) {
    state_ = State::kAfterObject;
  } else {
    CallsEnded();
  }
}

void CallParser::TakeAfter(char c) {
  if (IsJsonSpace(c)) return Hold(c, state_);
  if (state_ == State::kAfterObject) {
    return c == spec_->separator ? Hold(c, State::kNextObject) : GiveBackAndTake(c);
  }
  if (c == ',') return Hold(c, State::kElement);
  if (c != ']') return GiveBackAndTake(c);
  held_.clear();
  marker_ = 0;
  state_ = State::kClose;
  if (opening_->close.empty()) CallsEnded();
}

void CallParser::TakeClose(char c) {
  held_ += c;
  if (held_.size() == marker_ + 1) {
    if (IsJsonSpace(c)) {
      ++marker_;
      return;
    }
    if (c == '{' && !in_array_) {  // a second call between the same markers
      held_.pop_back();
      return BeginObject(c);
    }
  }
  const auto part = std::string_view(held_).substr(marker_);
  if (part == opening_->close) return CallsEnded();
  if (opening_->close.starts_with(part)) return;
  // The marker is missing; what stands there may begin another call.
  const std::string text = std::exchange(held_, {});
  CallsEnded();
  for (const char again : text) Take(again);
}

// Up to here all was a call.
void CallParser::CallsEnded() {
  held_.clear();
  marker_ = 0;
  state_ = State::kContent;
}

void CallParser::TakeName(char c) {
  if (c != '{') {
    head_ += c;
    if (!MayBeCallHead(head_)) return GiveBackAndTake(c);
    return Hold(c, state_);
  }
  const auto name = NameOfCallHead(head_);
  // Without a name it is an object like others, which TakeBody has seen; this is neither.
  if (name.empty()) return GiveBackAndTake(c);
  BeginCall(std::string(name));
  scanner_ = {};
  state_ = State::kArguments;
  TakeArguments(c);
}

void CallParser::TakeArguments(char c) {
  const auto step = scanner_.Next(c);
  if (step != JsonScanner::Step::kBad) Arguments({&c, 1});
  if (step == JsonScanner::Step::kMore) return;
  EndCall(step == JsonScanner::Step::kDone);
  CallsEnded();
  if (step == JsonScanner::Step::kBad) TakeContent(c);
}

void CallParser::TakeForeign(char c) {
  const auto step = scanner_.Next(c);
  if (step != JsonScanner::Step::kMore) state_ = State::kContent;
  if (step == JsonScanner::Step::kBad) return TakeContent(c);
  Content({&c, 1});
}

void CallParser::TakePython(char c) {
  head_ += c;
  held_ += c;
  if (!head_.ends_with(opening_->close)) return;
  head_.resize(head_.size() - opening_->close.size());
  if (!EndPython()) GiveBack();
}

// False when the body is no calls, or calls of others than the tools.
bool CallParser::EndPython() {
  const auto calls = ParsePythonCalls(head_);
  if (calls.empty()) return false;
  for (const auto& call : calls) {
    if (!Knows(call.name)) return false;
  }
  for (const auto& call : calls) {
    BeginCall(call.name);
    Arguments(call.arguments);
    EndCall(true);
  }
  CallsEnded();
  return true;
}

// What is held is content after all, but for the whitespace at its end, which may touch a call.
void CallParser::GiveBack() {
  const size_t end = held_.find_last_not_of(kSpace) + 1;
  Content(std::string_view(held_).substr(0, end));
  held_.erase(0, end);
  marker_ = held_.size();
  state_ = State::kContent;
}

void CallParser::GiveBackAndTake(char c) {
  GiveBack();
  TakeContent(c);
}

void CallParser::Content(std::string_view text) {
  if (text.empty()) return;
  AddText(*events_, OutputEvent::Kind::kContent, text);
  after_call_ = false;
  content_ = true;
}

void CallParser::BeginCall(const std::string& name) {
  held_.clear();
  events_->push_back({OutputEvent::Kind::kCallBegin, {}, calls_, options_.make_id(), name, false});
  after_call_ = true;
}

void CallParser::Arguments(std::string_view piece) {
  AddText(*events_, OutputEvent::Kind::kCallArguments, piece, calls_);
}

void CallParser::EndCall(bool complete) {
  events_->push_back({OutputEvent::Kind::kCallEnd, {}, calls_++, {}, {}, complete});
}

bool CallParser::Knows(std::string_view name) const {
  const auto& tools = options_.tools;
  return tools.empty() || std::find(tools.begin(), tools.end(), name) != tools.end();
}

void CallParser::Finish(OutputEvents& events) {
  events_ = &events;
  switch (state_) {
    case State::kObject:
      if (object_->streaming()) return EndCall(false);
      if (object_->ended()) return;  // only its last bracket is missing
      break;
    case State::kArguments: return EndCall(false);
    case State::kClose:
    case State::kAfterElement: return;  // only the end is missing
    case State::kPython:
      if (EndPython()) return;
      break;
    default: break;
  }
  // Whitespace after a call belongs to it.
  if (after_call_ && held_.find_first_not_of(kSpace) == std::string::npos) return;
  Content(held_);
}

}  // namespace wring
