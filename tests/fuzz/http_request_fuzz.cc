// The first byte says which limits and how long the pieces may be, the second begins their lengths; the rest is what a
// client sends on one connection. Cuts may change nothing, and where a request ends is worked out here a second time:
// a server that sees the end elsewhere than the proxy before it lets one client put words into another's mouth.
#include <algorithm>
#include <charconv>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "check_tensors.h"
#include "formats/printable.h"
#include "server/api/json_value.h"
#include "server/http/reply.h"
#include "server/http/request_reader.h"

namespace {

using wring::server::HttpRequest;
using wring::server::Limits;
using wring::server::Refusal;
using wring::server::RequestReader;
using wring::testing::Require;
using State = RequestReader::State;

struct Read {
  HttpRequest request;
  bool expects_continue = false;
  bool http_1_0 = false;
  bool keep_alive = false;
  size_t end = 0;  // of it, in all that was sent
};

struct Connection {
  std::vector<Read> reads;
  State state = State::kNothing;  // of what follows them
  Refusal refusal;
};

// Lengths of pieces: all at once, or up to `longest` each.
struct Pieces {
  size_t longest = 0;
  uint32_t seed = 0;

  size_t Next(size_t left) {
    if (longest == 0) return left;
    seed = seed * 1664525 + 1013904223;
    return std::min(left, 1 + (seed >> 8) % longest);
  }
};

// As the server reads: what is unread comes again with more behind it, each time in a block of its own.
Connection ReadAll(std::string_view bytes, const Limits& limits, Pieces pieces) {
  Connection connection;
  auto reader = std::make_unique<RequestReader>(limits);
  size_t read = 0;
  size_t came = 0;
  for (;;) {
    const std::vector<char> unread(bytes.begin() + read, bytes.begin() + came);
    const size_t used = reader->Feed({unread.data(), unread.size()});
    Require(used <= unread.size());
    Require(reader->body_bytes() <= limits.body_bytes);
    read += used;
    connection.state = reader->state();
    if (connection.state == State::kRefused) {
      connection.refusal = reader->refusal();
      return connection;
    }
    if (connection.state == State::kDone) {
      Require(reader->Feed(bytes.substr(read)) == 0);
      const bool expects = reader->expects_continue();
      const bool old = reader->http_1_0();
      const bool keep = reader->keep_alive();
      connection.reads.push_back({reader->Take(), expects, old, keep, read});
      reader = std::make_unique<RequestReader>(limits);
      continue;
    }
    // It has done all that it could: nobody calls again before more comes.
    Require(reader->Feed(bytes.substr(read, came - read)) == 0);
    if (came == bytes.size()) return connection;
    came += pieces.Next(bytes.size() - came);
  }
}

std::string Lower(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// The values of a header in a head, by its lines alone.
std::vector<std::string> Values(std::string_view head, std::string_view lower_case_name) {
  std::vector<std::string> values;
  while (!head.empty()) {
    const size_t end = std::min(head.find("\r\n"), head.size());
    const auto line = head.substr(0, end);
    const size_t colon = line.find(':');
    if (colon != line.npos && Lower(Trim(line.substr(0, colon))) == lower_case_name) {
      values.emplace_back(Trim(line.substr(colon + 1)));
    }
    head.remove_prefix(std::min(head.size(), end + 2));
  }
  return values;
}

uint64_t Number(std::string_view text, int base) {
  uint64_t value = 0;
  const auto [stop, fault] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  Require(fault == std::errc() && stop == text.data() + text.size());
  return value;
}

// What a chunked body says, and where it ends: nullopt when it does not.
std::optional<size_t> EndOfChunks(std::string_view bytes, std::string* body) {
  size_t at = 0;
  for (;;) {
    const size_t end = bytes.find("\r\n", at);
    if (end == bytes.npos) return std::nullopt;
    const auto line = bytes.substr(at, end - at);
    const auto size = Number(Trim(line.substr(0, line.find(';'))), 16);
    at = end + 2;
    if (size == 0) {  // the empty line, or trailers and then it
      const size_t last = bytes.find("\r\n\r\n", end);
      return last == bytes.npos ? std::nullopt : std::optional(last + 4);
    }
    if (bytes.size() - at < 2 || size > bytes.size() - at - 2) return std::nullopt;
    if (bytes.substr(at + size, 2) != "\r\n") return std::nullopt;
    *body += bytes.substr(at, size);
    at += size + 2;
  }
}

// One request and nothing else is in `bytes`, and this is what it says.
void CheckEnd(std::string_view bytes, const HttpRequest& request) {
  while (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  const size_t head_end = bytes.find("\r\n\r\n");
  Require(head_end != bytes.npos);
  const auto head = bytes.substr(0, head_end);
  const auto rest = bytes.substr(head_end + 4);
  const auto lengths = Values(head, "content-length");
  const auto encodings = Values(head, "transfer-encoding");
  Require(lengths.size() + encodings.size() <= 1 && Values(head, "host").size() <= 1);
  if (!encodings.empty()) {
    std::string body;
    Require(Lower(encodings[0]) == "chunked");
    Require(EndOfChunks(rest, &body) == rest.size() && body == request.body);
  } else {
    Require(rest.size() == (lengths.empty() ? 0 : Number(lengths[0], 10)) && rest == request.body);
  }
}

void CheckRead(const Read& read) {
  const HttpRequest& request = read.request;
  Require(!request.method.empty() && request.method.find_first_of(" \t\r\n") == std::string::npos);
  Require(request.path.starts_with('/') || (request.path == "*" && request.method == "OPTIONS"));
  Require(request.path.find('\0') == std::string::npos);
  Require(request.query.find_first_of(" \r\n") == std::string::npos);
  for (const auto& [name, value] : request.headers) {
    Require(!name.empty() && name == Lower(name) && name.find_first_of(" \t:") == name.npos);
    Require(value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos &&
            value == Trim(value));
  }
  Require(read.http_1_0 || request.headers.count("host") == 1);
  Require(!(read.http_1_0 && read.expects_continue));
}

void CheckRefusal(const Refusal& refusal) {
  Require(refusal.status >= 400 && refusal.status < 600 && refusal.status != 500);
  Require(!refusal.message.empty() && refusal.message.size() < 2000 && !refusal.code.empty());
  Require(wring::Printable(refusal.message, refusal.message.size()) == refusal.message);
  const auto reply = wring::server::ErrorReply(refusal.status, refusal.message, refusal.code);
  Require(wring::server::Json::accept(reply.body));
}

bool TooLong(const Refusal& refusal) {
  return refusal.status == 431 || refusal.message.ends_with("too long");
}

bool SameRead(const Read& a, const Read& b) {
  return a.end == b.end && a.request.method == b.request.method &&
         a.request.path == b.request.path && a.request.query == b.request.query &&
         a.request.headers == b.request.headers && a.request.body == b.request.body &&
         a.expects_continue == b.expects_continue && a.http_1_0 == b.http_1_0 &&
         a.keep_alive == b.keep_alive;
}

bool SameReads(const Connection& a, const Connection& b) {
  return std::equal(a.reads.begin(), a.reads.end(), b.reads.begin(), b.reads.end(), SameRead);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return -1;
  Limits limits;
  if ((data[0] & 1) != 0) {
    limits.header_bytes = 200;
    limits.body_bytes = 300;
  }
  constexpr size_t kLongest[] = {1, 7, 61, 4099};
  const Pieces pieces{kLongest[data[0] >> 1 & 3], data[1]};
  const std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto whole = ReadAll(bytes, limits, {});
  auto cut = ReadAll(bytes, limits, pieces);
  if (whole.state == State::kRefused && cut.state == State::kHead) {
    // A head that came in pieces is looked at when it is whole: its fault is found later, but found.
    Require(SameReads(whole, cut));
    cut = ReadAll(bytes + "\r\n\r\n", limits, pieces);
  }
  Require(SameReads(whole, cut) && whole.state == cut.state);
  if (whole.state == State::kRefused) {
    CheckRefusal(whole.refusal);
    CheckRefusal(cut.refusal);
    // What is too long and has another fault, too, may be refused for either.
    Require(whole.refusal.status == cut.refusal.status || TooLong(cut.refusal));
  }
  size_t begin = 0;
  for (const auto& read : whole.reads) {
    CheckRead(read);
    CheckEnd(std::string_view(bytes).substr(begin, read.end - begin), read.request);
    begin = read.end;
  }
  return 0;
}
