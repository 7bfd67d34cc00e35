// One HTTP request and its answer. The connection's coroutine reads the request, calls a handler on the I/O thread,
// and sends what the handler, or whatever thread the handler gave the exchange to, writes. A handler must not block.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wring::server {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct HttpRequest {
  std::string method;                          // "POST"
  std::string path;                            // percent-decoded, without the query: "/v1/models"
  std::string query;                           // as sent, without "?"
  std::map<std::string, std::string> headers;  // names in lower case; of equal ones the first
  std::string body;
  std::string peer;  // "127.0.0.1:50312"
  uint64_t id = 0;   // of this process's requests, for logs and answers' ids

  // "" when absent.
  std::string_view Header(const std::string& lower_case_name) const;
};

struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  Headers headers = {};
};

// Every method but request() may be called from any thread. Exactly one of Send and Begin .. End answers.
// When the last reference goes and nothing was answered, the client gets a 500.
class Exchange {
 public:
  virtual ~Exchange() = default;

  virtual const HttpRequest& request() const = 0;
  // The whole answer.
  virtual void Send(HttpReply reply) = 0;
  // An answer in pieces, chunked; "text/event-stream" for events. `body` of the reply is the first piece. Of an event
  // stream each piece is whole events: between them the server puts a comment when nothing was written for long.
  // When the last reference goes before End, the connection is cut, so that no client takes a part for the whole.
  virtual void Begin(HttpReply reply) = 0;
  // Hands a piece over for sending. False when it is in vain: the client has gone, or reads so slowly that more
  // than Limits::unsent_bytes wait, and was cut off.
  virtual bool Write(std::string_view piece) = 0;
  virtual void End() = 0;
  // Runs `gone` once, on the I/O thread, when the client goes or is cut off before the answer has been handed over
  // whole; at once, on the caller's thread, when it has already gone. Never after that. A client that has closed its
  // sending side counts as gone: TCP does not tell that from one that has closed both.
  virtual void OnGone(std::function<void()> gone) = 0;
  virtual bool gone() const = 0;
};

}  // namespace wring::server
