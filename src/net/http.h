// One GET over HTTP/1.1, as values. How it went is told apart finely enough to decide whether to try
// again; the sentence for the user comes with it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/url.h"

namespace wring::net {

struct Request {
  Url url;
  std::map<std::string, std::string> headers;  // beside Host, User-Agent and Accept-Encoding
};

struct Response {
  int status = 0;
  Url url;                                     // who answered
  std::map<std::string, std::string> headers;  // names in lower case; of equal ones the first
  std::optional<uint64_t> length;              // bytes of the body, when the server says

  // "" when absent.
  std::string Header(const std::string& name) const;
};

// Takes the body of an answer.
class Sink {
 public:
  virtual ~Sink() = default;
  // Called once before the body. An error ends the transfer and is what the caller gets.
  virtual Status Begin(const Response& response) = 0;
  virtual Status Write(std::span<const std::byte> bytes) = 0;
};

enum class Fault {
  kNone,         // an answer came and its body is complete; its status may still be an error
  kUnreachable,  // no connection: offline, no such host, port closed
  kBroken,       // the connection ended too early
  kTimeout,      // the other side fell silent
  kRefused,      // trying again cannot help: certificate, malformed answer, redirects without end
  kSink,         // the sink said no
  kCancelled,
};

struct Outcome {
  Fault fault = Fault::kNone;
  Status status;  // not ok unless kNone
  Response response;
};

struct Limits {
  std::chrono::milliseconds silence{30'000};  // no byte for this long ends a connection
  uint32_t header_bytes = 64 << 10;           // of one answer
  int redirects = 10;
};

// Whether the user wants it to end; polled ten times a second from the calling thread.
using Cancelled = std::function<bool()>;

// One exchange on a connection of its own; redirects are not followed. The sink gets the body of
// answers below 300 only.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual Outcome Get(const Request& request, Sink& sink) = 0;
};

}  // namespace wring::net
