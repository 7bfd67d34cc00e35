// Reads one HTTP answer out of pieces of bytes and fills the record. Every piece carries the time at which it came, so
// events that came together have equal times.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>

#include "serve/record.h"
#include "serve/sse.h"

namespace wring::load {

class Answer {
 public:
  Answer(bool chat, bool keep_text);

  // Takes what `buffer` holds, which came at `now`. False when it is no HTTP.
  bool Take(boost::beast::flat_buffer& buffer, double now, Record& record);
  // The connection's end came. False when the answer was not whole.
  bool End();
  bool complete() { return parser_.is_done(); }
  bool keep_alive() const { return parser_.get().keep_alive(); }
  bool begun() const { return begun_; }
  // What the whole answer means; not for one that was cut.
  Outcome Judge(Record& record) const;

 private:
  void Head(Record& record);
  void Event(std::string_view data, double now, Record& record);

  boost::beast::http::response_parser<boost::beast::http::string_body> parser_;
  SseParser events_;
  bool chat_;
  bool keep_text_;
  bool begun_ = false;
  bool head_read_ = false;
  bool done_ = false;      // [DONE]
  bool finished_ = false;  // a finish_reason
  bool malformed_ = false;
  bool counted_ = false;  // usage came
  std::string error_;
};

}  // namespace wring::load
