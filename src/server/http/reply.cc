#include "server/http/reply.h"

#include <array>
#include <ctime>
#include <iterator>

#include "base/result.h"
#include "server/json_text.h"

namespace wring::server {
namespace {

std::string_view Reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 417: return "Expectation Failed";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Status";
  }
}

std::string_view ErrorType(int status) {
  switch (status) {
    case 401: return "authentication_error";
    case 403: return "permission_error";
    case 404: return "not_found_error";
    case 429: return "rate_limit_error";
    default: return status >= 500 ? "server_error" : "invalid_request_error";
  }
}

bool IsToken(std::string_view name) {
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  for (const char c : name) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!plain && kMarks.find(c) == std::string_view::npos) return false;
  }
  return !name.empty();
}

void AppendHeader(std::string_view name, std::string_view value, std::string* out) {
  if (!IsToken(name)) return;
  *out += name;
  *out += ": ";
  for (const char c : value) *out += c == '\r' || c == '\n' || c == '\0' ? ' ' : c;
  *out += "\r\n";
}

// The names are fixed by RFC 9110; strftime's follow the locale.
void AppendDate(std::string* out) {
  constexpr std::array<const char*, 7> kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array<const char*, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  gmtime_r(&now, &utc);
  fmt::format_to(std::back_inserter(*out), "Date: {}, {:02} {} {} {:02}:{:02}:{:02} GMT\r\n",
                 kDays[static_cast<size_t>(utc.tm_wday)], utc.tm_mday,
                 kMonths[static_cast<size_t>(utc.tm_mon)], utc.tm_year + 1900, utc.tm_hour,
                 utc.tm_min, utc.tm_sec);
}

}  // namespace

HttpReply ErrorReply(int status, std::string_view message, std::string_view code) {
  HttpReply reply;
  reply.status = status;
  reply.body = R"({"error":{"message":)";
  AppendJsonString(message, &reply.body);
  reply.body += R"(,"type":)";
  AppendJsonString(ErrorType(status), &reply.body);
  reply.body += R"(,"param":null,"code":)";
  reply.body += code.empty() ? "null" : JsonString(code);
  reply.body += "}}\n";
  return reply;
}

bool Bodiless(int status) { return status < 200 || status == 204 || status == 304; }

std::string SerializeHead(const HttpReply& reply, const Head& head) {
  std::string out = fmt::format("HTTP/1.1 {} {}\r\n", reply.status, Reason(reply.status));
  AppendDate(&out);
  if (!Bodiless(reply.status)) {
    if (!reply.content_type.empty()) AppendHeader("Content-Type", reply.content_type, &out);
    if (head.framing == Framing::kLength) {
      fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", reply.body.size());
    } else if (head.framing == Framing::kChunked) {
      out += "Transfer-Encoding: chunked\r\n";
    }
  }
  if (head.close) {
    out += "Connection: close\r\n";
  } else if (head.http_1_0) {
    out += "Connection: keep-alive\r\n";
  }
  for (const auto& [name, value] : reply.headers) AppendHeader(name, value, &out);
  out += "\r\n";
  return out;
}

void AppendChunk(std::string_view piece, std::string* out) {
  if (piece.empty()) return;  // an empty chunk would end the answer
  fmt::format_to(std::back_inserter(*out), "{:x}\r\n", piece.size());
  *out += piece;
  *out += "\r\n";
}

}  // namespace wring::server
