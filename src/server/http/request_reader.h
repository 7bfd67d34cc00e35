// A request from bytes, in whatever pieces they come. Knows nothing of sockets and time.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/http/exchange.h"
#include "server/http/options.h"

namespace wring::server {

struct Refusal {
  int status = 400;
  std::string message;
  std::string code;
};

class RequestReader {
 public:
  enum class State { kNothing, kHead, kBody, kDone, kRefused };

  explicit RequestReader(const Limits& limits);
  ~RequestReader();

  // Reads from the front of `bytes` and returns how many it used up; the rest must be there again, with more behind
  // it, next time. Uses up nothing that comes after the request.
  size_t Feed(std::string_view bytes);

  State state() const { return state_; }
  const Refusal& refusal() const { return refusal_; }
  // Once the head is there.
  bool expects_continue() const { return expects_continue_; }
  bool http_1_0() const { return http_1_0_; }
  bool keep_alive() const { return keep_alive_; }
  bool head_only() const { return request_.method == "HEAD"; }
  size_t body_bytes() const;
  // When kDone.
  HttpRequest Take();

 private:
  struct Parser;

  bool Step(std::string_view* bytes);  // false: needs more bytes or is at an end
  void ReadHead();
  bool ReadTarget(std::string_view target);
  bool CheckFraming();
  void Refuse(int status, std::string message, std::string code = "bad_request");

  const Limits& limits_;
  std::unique_ptr<Parser> parser_;
  State state_ = State::kNothing;
  Refusal refusal_;
  HttpRequest request_;
  size_t head_bytes_ = 0;
  bool folded_ = false;  // a header goes on in a second line
  bool expects_continue_ = false;
  bool http_1_0_ = false;
  bool keep_alive_ = false;
};

}  // namespace wring::server
