// The only file that sees Boost: its headers take most of a minute to compile.
#include "net/http_client.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <exception>
#include <iterator>
#include <utility>
#include <vector>

#include "net/certificates.h"

namespace wring::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;
using std::chrono::milliseconds;
using Parser = http::response_parser<http::buffer_body>;

constexpr milliseconds kPoll{100};  // how late Ctrl-C may be noticed
// A host that is there answers a SYN within a second or two. An address that does not must leave time for the
// next one: networks with broken IPv6 are common.
constexpr milliseconds kConnect{3'000};
constexpr milliseconds kLastConnect{10'000};
constexpr size_t kChunk = 64 << 10;  // Beast reads no more at once

Outcome Failed(Fault fault, Status status) { return {fault, std::move(status), {}}; }

// One connection, asynchronous underneath (only that way has it timeouts and Ctrl-C), waited for here.
class Connection {
 public:
  Connection(const Limits& limits, const Cancelled& cancelled, const Url& url)
      : limits_(limits), cancelled_(cancelled), url_(url), socket_(context_) {}

  Outcome Connect() {
    asio::ip::tcp::resolver resolver(context_);
    asio::ip::tcp::resolver::results_type addresses;
    // getaddrinfo cannot be interrupted; the system's own limits (/etc/resolv.conf) end it.
    const auto found = Await([&](auto done) {
      resolver.async_resolve(url_.host, std::to_string(url_.port),
                             [&addresses, done](error_code e, auto results) {
                               addresses = std::move(results);
                               done(e);
                             });
    });
    if (stopped_) return Stopped();
    if (found) return Unreachable("has no address here", found);
    error_code failed = asio::error::host_not_found;
    for (auto it = addresses.begin(); it != addresses.end(); ++it) {
      const bool last = std::next(it) == addresses.end();
      error_code ignored;
      socket_.socket().close(ignored);  // of the address before, perhaps of another family
      socket_.expires_after(std::min(limits_.silence, last ? kLastConnect : kConnect));
      failed = Await([&](auto done) { socket_.async_connect(it->endpoint(), done); });
      if (stopped_) return Stopped();
      if (!failed) return {};
    }
    return Unreachable("cannot be reached", failed);
  }

  Outcome Handshake(asio::ssl::context& trust) {
    tls_.emplace(std::move(socket_), trust);
    SSL* ssl = tls_->native_handle();
    X509_VERIFY_PARAM* rules = SSL_get0_param(ssl);
    // An address is checked against the certificate's addresses, a name against its names.
    if (X509_VERIFY_PARAM_set1_ip_asc(rules, url_.host.c_str()) != 1) {
      X509_VERIFY_PARAM_set_hostflags(rules, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
      if (SSL_set1_host(ssl, url_.host.c_str()) != 1 ||
          SSL_set_tlsext_host_name(ssl, url_.host.c_str()) != 1) {
        return Failed(Fault::kRefused, Error(Code::kInvalid, "{} is no name of a host", url_.host));
      }
    }
    ERR_clear_error();  // what was found wrong with the name as an address
    Socket().expires_after(limits_.silence);
    const auto failed =
        Await([&](auto done) { tls_->async_handshake(asio::ssl::stream_base::client, done); });
    if (!failed && !stopped_) return {};
    if (const long verdict = SSL_get_verify_result(ssl); verdict != X509_V_OK) {
      return Failed(Fault::kRefused,
                    Error(Code::kUnsupported,
                          "the certificate of {} is not trusted ({}): if it is yours, name its "
                          "issuer's file in SSL_CERT_FILE",
                          url_.Host(), X509_verify_cert_error_string(verdict)));
    }
    return Broken(failed);
  }

  Outcome Exchange(const Request& request, Sink& sink) {
    return tls_ ? ExchangeOver(*tls_, request, sink) : ExchangeOver(socket_, request, sink);
  }

 private:
  beast::tcp_stream& Socket() { return tls_ ? beast::get_lowest_layer(*tls_) : socket_; }

  // Starts an operation and runs it to its end; the operation's own timeout was set by expires_after.
  template <typename Start>
  error_code Await(Start start) {
    error_code result;
    bool ended = false;
    start([&result, &ended](error_code e, auto&&...) {
      result = e;
      ended = true;
    });
    while (!ended) {
      // Asked each time, not only when nothing comes: a steady stream must not outrun Ctrl-C.
      if (!stopped_ && cancelled_ && cancelled_()) {
        stopped_ = true;
        Socket().cancel();
      }
      if (context_.stopped()) context_.restart();
      context_.run_one_for(kPoll);
    }
    return result;
  }

  template <typename Stream>
  Outcome ExchangeOver(Stream& stream, const Request& request, Sink& sink) {
    http::request<http::empty_body> message(http::verb::get, url_.target, 11);
    message.set(http::field::host, url_.Host());
    message.set(http::field::user_agent, "wring");
    message.set(http::field::accept_encoding, "identity");
    message.set(http::field::connection, "close");
    for (const auto& [name, value] : request.headers) message.set(name, value);
    Socket().expires_after(limits_.silence);
    auto e = Await([&](auto done) { http::async_write(stream, message, done); });
    if (e || stopped_) return Broken(e);
    Parser parser;
    parser.header_limit(limits_.header_bytes);
    parser.body_limit(boost::none);  // the sink counts
    beast::flat_buffer buffer(limits_.header_bytes + kChunk);
    Socket().expires_after(limits_.silence);
    e = Await([&](auto done) { http::async_read_header(stream, buffer, parser, done); });
    if (e || stopped_) return Broken(e);
    Outcome outcome{Fault::kNone, {}, Describe(parser)};
    const int status = outcome.response.status;
    if (status < 200) {
      return Failed(Fault::kRefused,
                    Error(Code::kCorrupt, "{} answers {} to a GET: choose another endpoint",
                          url_.Host(), status));
    }
    if (status < 300) ReadBody(stream, buffer, parser, sink, &outcome);
    return outcome;
  }

  template <typename Stream>
  void ReadBody(Stream& stream, beast::flat_buffer& buffer, Parser& parser, Sink& sink,
                Outcome* outcome) {
    const auto refuse = [&](Status status) {
      outcome->fault = Fault::kSink;
      outcome->status = std::move(status);
    };
    if (auto status = sink.Begin(outcome->response); !status.ok()) return refuse(std::move(status));
    std::vector<std::byte> chunk(kChunk);
    while (!parser.is_done()) {
      auto& body = parser.get().body();
      body.data = chunk.data();
      body.size = chunk.size();
      Socket().expires_after(limits_.silence);
      auto e = Await([&](auto done) { http::async_read_some(stream, buffer, parser, done); });
      if (e == http::error::need_buffer) e = {};
      const size_t got = chunk.size() - body.size;
      if (auto status = sink.Write(std::span(chunk).first(got)); !status.ok()) {
        return refuse(std::move(status));
      }
      if (e || stopped_) {
        auto broken = Broken(e);
        outcome->fault = broken.fault;
        outcome->status = std::move(broken.status);
        return;
      }
    }
  }

  Response Describe(const Parser& parser) const {
    Response response;
    response.status = parser.get().result_int();
    response.url = url_;
    for (const auto& field : parser.get()) {
      std::string name(field.name_string());
      for (char& c : name) c = beast::detail::ascii_tolower(c);
      response.headers.emplace(std::move(name), std::string(field.value()));
    }
    if (const auto length = parser.content_length()) response.length = *length;
    return response;
  }

  Outcome Stopped() const { return Failed(Fault::kCancelled, Status(Code::kCancelled, "stopped")); }

  Outcome Unreachable(std::string_view how, const error_code& e) const {
    const bool silent = e == beast::error::timeout;
    return Failed(
        Fault::kUnreachable,
        Error(Code::kIo, "{} {} ({}): connect to the network, or name a mirror with --endpoint",
              url_.Host(), how, silent ? "no answer" : e.message()));
  }

  // What an error of an established connection means.
  Outcome Broken(const error_code& e) const {
    if (stopped_) return Stopped();
    if (e == beast::error::timeout) {
      return Failed(
          Fault::kTimeout,
          Error(Code::kIo, "{} sent nothing for {:g} s: try again later, or raise --timeout",
                url_.Host(), limits_.silence.count() / 1e3));
    }
    const bool cut = e == http::error::end_of_stream || e == http::error::partial_message ||
                     e == asio::error::eof || e == asio::error::connection_reset ||
                     e == asio::error::broken_pipe || e == asio::error::connection_aborted ||
                     e == asio::ssl::error::stream_truncated ||
                     e.category() == boost::system::system_category();
    if (cut) {
      return Failed(Fault::kBroken,
                    Error(Code::kIo, "the connection to {} broke off: try again", url_.Host()));
    }
    return Failed(
        Fault::kRefused,
        Error(Code::kCorrupt, "{} does not speak {} as it should ({}): check the endpoint",
              url_.Host(), url_.tls ? "HTTPS" : "HTTP", e.message()));
  }

  const Limits& limits_;
  const Cancelled& cancelled_;
  const Url& url_;
  bool stopped_ = false;
  asio::io_context context_{1};
  beast::tcp_stream socket_;
  std::optional<beast::ssl_stream<beast::tcp_stream>> tls_;
};

class HttpClient final : public Transport {
 public:
  HttpClient(const Limits& limits, Cancelled cancelled)
      : limits_(limits), cancelled_(std::move(cancelled)) {}

  Outcome Get(const Request& request, Sink& sink) override {
    try {  // Asio's constructors throw when the system has no descriptors or memory left
      if (request.url.tls && !trust_) {
        if (auto status = Trust(); !status.ok()) return Failed(Fault::kRefused, std::move(status));
      }
      Connection connection(limits_, cancelled_, request.url);
      if (auto o = connection.Connect(); o.fault != Fault::kNone) return o;
      if (request.url.tls) {
        if (auto o = connection.Handshake(*trust_); o.fault != Fault::kNone) return o;
      }
      return connection.Exchange(request, sink);
    } catch (const std::exception& error) {
      return Failed(
          Fault::kRefused,
          Error(Code::kInternal, "{} cannot be asked ({}): close other programs and try again",
                request.url.Host(), error.what()));
    }
  }

 private:
  Status Trust() {
    // The system's openssl.cnf may load modules from beside another version of the library.
    OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
    auto trust = std::make_unique<asio::ssl::context>(asio::ssl::context::tls_client);
    WRING_TRY(LoadCertificates(trust->native_handle()));
    SSL_CTX_set_min_proto_version(trust->native_handle(), TLS1_2_VERSION);
    trust->set_verify_mode(asio::ssl::verify_peer);
    trust_ = std::move(trust);
    return {};
  }

  Limits limits_;
  Cancelled cancelled_;
  std::unique_ptr<asio::ssl::context> trust_;
};

}  // namespace

std::unique_ptr<Transport> MakeHttpClient(const Limits& limits, Cancelled cancelled) {
  return std::make_unique<HttpClient>(limits, std::move(cancelled));
}

}  // namespace wring::net
