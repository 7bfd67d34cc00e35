#include "hub/hub.h"

#include <algorithm>
#include <charconv>
#include <thread>

#include "formats/printable.h"
#include "hub/sinks.h"
#include "net/get.h"

namespace wring::hub {
namespace {

using net::Fault;
using std::chrono::milliseconds;
using std::chrono::seconds;

// 0.5, 1, 2, ... seconds between tries; a server's own wish counts as long as a person would wait.
constexpr milliseconds kFirstWait{500};
constexpr milliseconds kMaxWait{16'000};
constexpr seconds kMaxWish{120};
constexpr milliseconds kPoll{50};

bool Temporary(int status) {
  return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
         status == 504;
}

// Seconds only: a date, the header's other form, falls back to the usual waits.
std::optional<seconds> RetryAfter(const net::Response& response) {
  const auto text = response.Header("retry-after");
  unsigned n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (error == std::errc::result_out_of_range) return seconds::max();
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return seconds(n);
}

}  // namespace

Result<Hub> Hub::Create(HubOptions options, std::unique_ptr<net::Transport> transport) {
  WRING_ASSIGN(auto endpoint, net::ParseUrl(options.endpoint, "the endpoint"));
  while (endpoint.target.ends_with('/')) endpoint.target.pop_back();
  if (endpoint.target.find('?') != std::string::npos) {
    return Error(Code::kInvalid, "the endpoint {} has a query: leave it out",
                 Quoted(options.endpoint));
  }
  const bool good = std::all_of(options.token.begin(), options.token.end(),
                                [](char c) { return c > ' ' && c < '\x7f'; });
  if (!good) {
    return Error(Code::kInvalid,
                 "HF_TOKEN holds spaces or control characters: set it to the token alone");
  }
  // In the clear anyone on the way could take it.
  if (!options.token.empty() && !endpoint.tls && !endpoint.Loopback()) {
    return Error(Code::kInvalid,
                 "HF_TOKEN is not sent to {} without https: use https or unset HF_TOKEN",
                 endpoint.Host());
  }
  return Hub(std::move(options), std::move(endpoint), std::move(transport));
}

Status Hub::Explain(const net::Response& response, const RepoName& name,
                    std::string_view what) const {
  const int status = response.status;
  const auto reason = response.Header("x-error-code");
  const bool token = !options_.token.empty();
  if (reason == "GatedRepo" || (status == 403 && !token)) {
    return Error(Code::kInvalid,
                 "{} is gated ({}): accept its terms on its page at {} and set HF_TOKEN to a token "
                 "of that account",
                 name.repo, status, endpoint_.Host());
  }
  if (status == 401 || status == 403) {
    return token ? Error(Code::kInvalid,
                         "{}: {} does not accept HF_TOKEN for it ({}): check the name, and that "
                         "the token is valid and may read it",
                         name.repo, endpoint_.Host(), status)
                 : Error(Code::kInvalid,
                         "{}: there is no such model at {}, or it is private ({}): check the name, "
                         "or set HF_TOKEN to a token that may read it",
                         name.repo, endpoint_.Host(), status);
  }
  if (reason == "RevisionNotFound") {
    return Error(Code::kNotFound, "{} has no revision {}: check the branch, tag or commit",
                 name.repo, name.revision);
  }
  if (status == 404) {
    return Error(Code::kNotFound, "{}: there is no such {} at {} (404): check the name",
                 name.Text(), what.empty() ? "model" : fmt::format("file as {}", Quoted(what)),
                 endpoint_.Host());
  }
  if (status == 429) {
    return Error(Code::kIo, "{} asks to wait, too much was fetched (429): try again later{}",
                 endpoint_.Host(), token ? "" : ", or set HF_TOKEN");
  }
  return Error(Code::kIo, "{} answers {} for {}: try again later", response.url.Host(), status,
               name.Text());
}

Hub::Attempt Hub::Ask(const std::string& path, uint64_t from, const RepoName& name,
                      std::string_view what, net::Sink& sink, int* status) {
  using Next = Attempt::Next;
  net::Request request{endpoint_, {}};
  request.url.target += path;
  if (from != 0) request.headers["Range"] = fmt::format("bytes={}-", from);
  const bool known = reached_;
  auto outcome = net::Get(*transport_, request, options_.token, options_.limits, sink);
  *status = outcome.response.status;
  switch (outcome.fault) {
    case Fault::kUnreachable:
      // Offline is said at once; a network that was there may come back.
      return {known ? Next::kAgain : Next::kStop, std::move(outcome.status), {}};
    case Fault::kBroken:
    case Fault::kTimeout: return {Next::kAgain, std::move(outcome.status), {}};
    case Fault::kSink: reached_ = true; return {Next::kStop, std::move(outcome.status), {}};
    case Fault::kRefused:
    case Fault::kCancelled: return {Next::kStop, std::move(outcome.status), {}};
    case Fault::kNone: break;
  }
  reached_ = true;
  const auto& response = outcome.response;
  if (response.status == 200 || (response.status == 206 && from != 0)) return {};
  auto explained = Explain(response, name, what);
  return {Temporary(response.status) ? Next::kAgain : Next::kStop, std::move(explained),
          RetryAfter(response)};
}

Status Hub::WaitBeforeNext(const Attempt& attempt, int tries) const {
  if (tries > options_.retries || (attempt.wait && *attempt.wait > kMaxWish)) {
    return attempt.status;
  }
  const milliseconds usual = std::min(kFirstWait * (1 << std::min(tries - 1, 10)), kMaxWait);
  const milliseconds wait = attempt.wait ? milliseconds(*attempt.wait) : usual;
  const auto start = std::chrono::steady_clock::now();
  for (milliseconds passed{0}; passed < wait;) {
    if (options_.cancelled && options_.cancelled()) return Status(Code::kCancelled, "stopped");
    if (options_.progress) {
      options_.progress->Report("waiting for " + endpoint_.Host(), passed.count(), wait.count());
    }
    std::this_thread::sleep_for(std::min(kPoll, wait - passed));
    passed = std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - start);
  }
  return {};
}

Result<Listing> Hub::List(const RepoName& name) {
  const auto path = fmt::format("/api/models/{}/revision/{}?blobs=true", name.repo,
                                net::PercentEncode(name.revision, false));
  TextSink sink;
  for (int tries = 1;; ++tries) {
    int status = 0;
    const auto attempt = Ask(path, 0, name, "", sink, &status);
    if (attempt.next == Attempt::Next::kStop) return attempt.status;
    if (attempt.next == Attempt::Next::kDone) {
      return ParseListing(sink.text(), fmt::format("the list of files of {}", name.Text()));
    }
    WRING_TRY(WaitBeforeNext(attempt, tries));
  }
}

Status Hub::Fetch(const RepoName& name, const std::string& revision, const RemoteFile& file,
                  const std::string& path) {
  const auto address =
      fmt::format("/{}/resolve/{}/{}", name.repo, net::PercentEncode(revision, false),
                  net::PercentEncode(file.name, true));
  WRING_ASSIGN(auto part, PartFile::Open(path));
  FileSink sink(part, file, options_.progress);
  WRING_TRY(sink.Resume(options_.cancelled));
  bool resumed = part.size() != 0;
  uint64_t most = part.size();  // a server that always breaks off at one place gains nothing
  for (int tries = 1;; ++tries) {
    Attempt attempt;
    // A part that holds everything needs no more bytes; an empty file is asked for all the same.
    if (part.size() == 0 || !sink.Whole(false)) {
      int status = 0;
      attempt = Ask(address, part.size(), name, file.name, sink, &status);
      if (status == 416 && part.size() != 0) {
        WRING_TRY(sink.Restart());
        attempt.next = Attempt::Next::kAgain;
      }
    }
    if (attempt.next == Attempt::Next::kStop) return attempt.status;
    if (attempt.next == Attempt::Next::kDone && sink.Whole(true)) {
      auto verified = sink.Verify();
      if (verified.ok()) return part.Commit();
      if (!std::exchange(resumed, false)) {
        part.Discard();
        return verified;
      }
      // What an earlier run left was of another file: once more from the beginning.
      WRING_TRY(sink.Restart());
      most = tries = 0;
      continue;
    }
    if (attempt.next == Attempt::Next::kDone) {
      attempt.status = Error(Code::kIo, "{} broke off: try again", Quoted(file.name));
    }
    if (part.size() > most) tries = 1;
    most = std::max(most, part.size());
    WRING_TRY(WaitBeforeNext(attempt, tries));
  }
}

}  // namespace wring::hub
