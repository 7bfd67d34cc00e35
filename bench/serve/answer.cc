#include "serve/answer.h"

#include <charconv>

#include "serve/chunk.h"

namespace wring::load {
namespace {

namespace http = boost::beast::http;

constexpr size_t kErrorText = 300;  // of an error's body, for the report

// Seconds of a Retry-After; a date is not read.
double Seconds(std::string_view text) {
  double value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= 0 ? value : -1;
}

}  // namespace

Answer::Answer(bool chat, bool keep_text) : chat_(chat), keep_text_(keep_text) {
  parser_.eager(true);
  parser_.body_limit(boost::none);
}

bool Answer::Take(boost::beast::flat_buffer& buffer, double now, Record& record) {
  while (buffer.size() > 0 && !parser_.is_done()) {
    begun_ = true;
    boost::system::error_code error;
    const size_t used = parser_.put(buffer.data(), error);
    buffer.consume(used);
    if (error && error != http::error::need_more) {
      record.note = error.message();
      return false;
    }
    if (parser_.is_header_done()) {
      if (!head_read_) Head(record);
      std::string& body = parser_.get().body();
      if (record.status == 200) {
        events_.Feed(body, [&](std::string_view data) { Event(data, now, record); });
      } else if (record.note.size() < kErrorText) {
        record.note.append(body, 0, kErrorText - record.note.size());
      }
      body.clear();
    }
    if (error || used == 0) break;
  }
  return true;
}

void Answer::Head(Record& record) {
  head_read_ = true;
  record.status = static_cast<int>(parser_.get().result_int());
  const auto after = parser_.get().find(http::field::retry_after);
  if (after != parser_.get().end()) record.retry_after_s = Seconds(after->value());
}

void Answer::Event(std::string_view data, double now, Record& record) {
  Chunk chunk = ReadChunk(data, chat_);
  malformed_ |= chunk.malformed;
  done_ |= chunk.done;
  finished_ |= chunk.finished;
  if (!chunk.error.empty()) error_ = std::move(chunk.error);
  if (chunk.token) record.chunks.push_back(now);
  if (keep_text_) record.text += chunk.text;
  if (chunk.prompt_tokens) record.prompt_tokens = *chunk.prompt_tokens;
  if (chunk.completion_tokens) {
    record.completion_tokens = *chunk.completion_tokens;
    counted_ = true;
  }
  if (!counted_) record.completion_tokens = record.chunks.size();
}

bool Answer::End() {
  if (!head_read_) return false;  // to Beast an end before the first byte is a whole message
  boost::system::error_code error;
  if (!parser_.is_done()) parser_.put_eof(error);
  return !error && parser_.is_done();
}

Outcome Answer::Judge(Record& record) const {
  if (record.status == 429) return Outcome::kBusy;
  if (record.status != 200) return Outcome::kStatus;
  if (!error_.empty()) {
    record.note = error_;
    return Outcome::kServerError;
  }
  if (malformed_) {
    record.note = "an event is no JSON object";
    return Outcome::kMalformed;
  }
  if (record.chunks.empty() || !(done_ || finished_)) {
    record.note = "the stream ended without a finish_reason and [DONE]";
    return Outcome::kCut;
  }
  return Outcome::kOk;
}

}  // namespace wring::load
