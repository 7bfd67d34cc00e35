// The hub as a source of files: asks, tries again where that can help, verifies.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/progress.h"
#include "base/result.h"
#include "hub/listing.h"
#include "hub/name.h"
#include "net/http.h"

namespace wring::hub {

struct HubOptions {
  std::string endpoint = "https://huggingface.co";
  std::string token;  // "" for none
  net::Limits limits;
  int retries = 5;  // in a row without a new byte
  net::Cancelled cancelled;
  Progress* progress = nullptr;
};

class Hub {
 public:
  // kInvalid for an endpoint that is no address, or a token that is no header.
  static Result<Hub> Create(HubOptions options, std::unique_ptr<net::Transport> transport);

  Result<Listing> List(const RepoName& name);

  // Brings `file` of the repository at `revision` to `path`: through path.part, which a later call goes on
  // from, renamed when its size and hash are right. kCancelled leaves the .part.
  Status Fetch(const RepoName& name, const std::string& revision, const RemoteFile& file,
               const std::string& path);

  // Whether the hub has answered anything yet; when not, another source may be worth a try.
  bool reached() const { return reached_; }
  const HubOptions& options() const { return options_; }

 private:
  // What to do after an attempt.
  struct Attempt {
    enum class Next { kDone, kAgain, kStop } next = Next::kDone;
    Status status;
    std::optional<std::chrono::seconds> wait;  // the server's wish
  };

  Hub(HubOptions options, net::Url endpoint, std::unique_ptr<net::Transport> transport)
      : options_(std::move(options)),
        endpoint_(std::move(endpoint)),
        transport_(std::move(transport)) {}
  Attempt Ask(const std::string& path, uint64_t from, const RepoName& name, std::string_view what,
              net::Sink& sink, int* status);
  Status Explain(const net::Response& response, const RepoName& name, std::string_view what) const;
  // Waits before try number `tries` + 1, or gives the attempt's error when there were enough.
  Status WaitBeforeNext(const Attempt& attempt, int tries) const;

  HubOptions options_;
  net::Url endpoint_;
  std::unique_ptr<net::Transport> transport_;
  bool reached_ = false;
};

}  // namespace wring::hub
