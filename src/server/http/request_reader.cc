#include "server/http/request_reader.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/parser.hpp>
#include <cstdint>
#include <utility>

#include "base/result.h"
#include "formats/printable.h"
#include "server/http/reply.h"

namespace wring::server {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

// Chunk sizes with extensions, and trailers: nobody needs long ones.
constexpr size_t kFramingBytes = 4 << 10;

// Beast's string_body sets aside what Content-Length promises; this one grows by what has come.
struct GrowingBody {
  using value_type = std::string;
  class reader {
   public:
    template <bool kRequest, class Fields>
    reader(http::header<kRequest, Fields>&, value_type& body) : body_(body) {}
    void init(const boost::optional<uint64_t>&, error_code& e) { e = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, error_code& e) {
      e = {};
      const size_t before = body_.size();
      for (const auto b : beast::buffers_range_ref(buffers)) {
        body_.append(static_cast<const char*>(b.data()), b.size());
      }
      return body_.size() - before;
    }
    void finish(error_code& e) { e = {}; }

   private:
    value_type& body_;
  };
};

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// False when a "%" is not followed by two hex digits, or stands for NUL, which would end the path for some readers.
bool PercentDecode(std::string_view text, std::string* out) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      *out += text[i];
      continue;
    }
    if (text.size() - i < 3) return false;
    const int high = HexDigit(text[i + 1]);
    const int low = HexDigit(text[i + 2]);
    if (high < 0 || low < 0 || high + low == 0) return false;
    *out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return true;
}

// Whether a chunk's header is all there, and with the last chunk's the trailers. When Beast wants more of such a one, a
// quotation mark in its extension is open: Beast looks for the other beyond the line, and takes the chunk's size off
// the body's limit at each look.
bool ChunkHeaderIsWhole(std::string_view bytes) {
  const size_t begin = bytes.starts_with("\r\n") ? 2 : 0;  // the end of the chunk before
  const size_t end = bytes.find("\r\n", begin);
  if (end == std::string_view::npos) return false;
  const bool last = HexDigit(bytes[bytes.find_first_not_of('0', begin)]) < 0;
  return !last || bytes.find("\r\n\r\n", end) != std::string_view::npos;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

}  // namespace

struct RequestReader::Parser {
  http::request_parser<GrowingBody> beast;
};

RequestReader::RequestReader(const Limits& limits)
    : limits_(limits), parser_(std::make_unique<Parser>()) {
  parser_->beast.header_limit(static_cast<uint32_t>(limits.header_bytes));
  parser_->beast.body_limit(limits.body_bytes);
}

RequestReader::~RequestReader() = default;

size_t RequestReader::body_bytes() const { return parser_->beast.get().body().size(); }

size_t RequestReader::Feed(std::string_view bytes) {
  const size_t before = bytes.size();
  while (Step(&bytes)) {
  }
  return before - bytes.size();
}

bool RequestReader::Step(std::string_view* bytes) {
  if (state_ == State::kDone || state_ == State::kRefused) return false;
  if (state_ == State::kNothing) {
    // Some clients send a line end too many after a body (RFC 9112, 2.2).
    while (bytes->starts_with("\r\n")) bytes->remove_prefix(2);
    if (bytes->empty() || *bytes == "\r") return false;
    state_ = State::kHead;
  }
  if (bytes->empty()) return false;
  auto& parser = parser_->beast;
  // Whatever of a chunked body is still to come has kLastChunk's 5 bytes or more. Beast asserts that of a last chunk
  // which it sees for the second time there are as many.
  if (state_ == State::kBody && parser.chunked() && bytes->size() < kLastChunk.size()) return false;
  error_code e;
  const size_t body_before = body_bytes();
  const size_t used = parser.put(asio::buffer(bytes->data(), bytes->size()), e);
  const auto taken = bytes->substr(0, used);
  bytes->remove_prefix(used);
  const bool need_more = e == http::error::need_more;
  if (state_ == State::kHead) {
    head_bytes_ += used;
    // Beast takes a header with all its lines at once.
    folded_ = folded_ || taken.find("\r\n ") != taken.npos || taken.find("\r\n\t") != taken.npos;
    // Beast's own limit is one for the first line and one for the rest. What needs more is a byte longer at least.
    const size_t seen = head_bytes_ + (need_more ? bytes->size() + 1 : 0);
    if (seen > limits_.header_bytes || e == http::error::header_limit) {
      Refuse(431,
             fmt::format("the request's headers are longer than {} bytes", limits_.header_bytes),
             "headers_too_long");
      return false;
    }
  } else if (used - (body_bytes() - body_before) + (need_more ? bytes->size() : 0) >
             kFramingBytes) {
    // Counted alike whether it came whole or in pieces: of a chunked body Beast takes a chunk's header or data at once.
    Refuse(400, "a chunk's header or the trailers are too long");
    return false;
  } else if (need_more && ChunkHeaderIsWhole(*bytes)) {
    Refuse(400, "a chunk's extension is broken");
    return false;
  }
  if (e == http::error::body_limit) {
    Refuse(413, fmt::format("the request's body is longer than {} bytes", limits_.body_bytes),
           "body_too_long");
  } else if (e == http::error::bad_version) {
    Refuse(505, "this server speaks HTTP/1.0 and HTTP/1.1");
  } else if (e && !need_more) {
    Refuse(400, fmt::format("this is not an HTTP request ({})", e.message()));
  }
  if (state_ == State::kRefused) return false;
  // Trailers land among the headers too, so those are read before the body.
  const bool head = state_ == State::kHead && parser.is_header_done();
  if (head) ReadHead();
  if (state_ != State::kRefused && parser.is_done()) state_ = State::kDone;
  return (used > 0 || head) && !need_more && !bytes->empty();
}

void RequestReader::ReadHead() {
  const auto& message = parser_->beast.get();
  state_ = State::kBody;
  http_1_0_ = message.version() == 10;
  keep_alive_ = message.keep_alive();
  request_.method = std::string(message.method_string());
  for (const auto& field : message) {
    request_.headers.emplace(LowerCase(field.name_string()), std::string(field.value()));
  }
  const auto target = message.target();
  if (!ReadTarget({target.data(), target.size()}) || !CheckFraming()) return;
  const auto hosts = message.count(http::field::host);
  if (hosts > 1 || (hosts == 0 && !http_1_0_)) {
    return Refuse(400, "the request needs exactly one Host header");
  }
  if (const auto expect = request_.Header("expect"); !expect.empty() && !http_1_0_) {
    if (LowerCase(expect) != "100-continue") {
      return Refuse(417, fmt::format("the server cannot meet Expect: {}", Quoted(expect)));
    }
    expects_continue_ = true;
  }
}

bool RequestReader::ReadTarget(std::string_view target) {
  // A client that takes the server for a proxy names the host here too (RFC 9112, 3.2.2).
  if (const auto scheme = LowerCase(target.substr(0, 8));
      scheme.starts_with("http://") || scheme == "https://") {
    const size_t path = target.find_first_of("/?", target.find("//") + 2);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  const size_t mark = target.find('?');
  const auto path = target.substr(0, mark);
  if (mark != std::string_view::npos) request_.query = target.substr(mark + 1);
  const bool whole_server = path == "*" && request_.method == "OPTIONS";
  if (!whole_server && !path.starts_with('/')) {
    Refuse(400, fmt::format("the request's path {} does not begin with /", Quoted(path)));
    return false;
  }
  if (!PercentDecode(path, &request_.path)) {
    Refuse(400, fmt::format("the request's path {} has a broken percent code", Quoted(path)));
    return false;
  }
  return true;
}

// Where a request ends must be beyond doubt: a proxy before this server that reads it otherwise would let one
// client put words into another's mouth. Beast refuses unequal lengths; this refuses what else is unclear.
bool RequestReader::CheckFraming() {
  const auto& message = parser_->beast.get();
  const auto encodings = message.count(http::field::transfer_encoding);
  const auto lengths = message.count(http::field::content_length);
  const auto length = request_.Header("content-length");
  // A line that begins with a blank continues the one before (RFC 9112, 5.2), or is a header of its own to some.
  if (folded_) {
    Refuse(400, "the request has a header that goes on in a second line");
  } else if (length.find_first_not_of("0123456789") != std::string_view::npos) {
    Refuse(400, fmt::format("the request's Content-Length {} is no number", Quoted(length)));
  } else if (encodings > 0 && lengths > 0) {
    Refuse(400, "the request has both Content-Length and Transfer-Encoding");
  } else if (encodings > 0 && http_1_0_) {
    Refuse(400, "HTTP/1.0 has no Transfer-Encoding");
  } else if (encodings > 1 || lengths > 1) {
    Refuse(400, "the request tells the length of its body more than once");
  } else if (encodings == 1 && LowerCase(request_.Header("transfer-encoding")) != "chunked") {
    Refuse(501, fmt::format("the server knows no Transfer-Encoding but chunked, not {}",
                            Quoted(request_.Header("transfer-encoding"))));
  }
  return state_ != State::kRefused;
}

HttpRequest RequestReader::Take() {
  request_.body = std::move(parser_->beast.get().body());
  return std::move(request_);
}

void RequestReader::Refuse(int status, std::string message, std::string code) {
  state_ = State::kRefused;
  refusal_ = {status, std::move(message), std::move(code)};
}

}  // namespace wring::server
