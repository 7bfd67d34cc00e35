// Where the bodies of the hub's answers go.
#pragma once

#include <optional>
#include <string>

#include "base/progress.h"
#include "hub/digest.h"
#include "hub/listing.h"
#include "hub/part_file.h"
#include "net/http.h"

namespace wring::hub {

// A text of bounded length.
class TextSink final : public net::Sink {
 public:
  Status Begin(const net::Response& response) override;
  Status Write(std::span<const std::byte> bytes) override;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// A file: checks that the server sends the range that is missing, counts, hashes on the way.
class FileSink final : public net::Sink {
 public:
  FileSink(PartFile& part, const RemoteFile& file, Progress* progress);

  // Hashes what an earlier run left, or throws it away when it is of no use.
  Status Resume(const net::Cancelled& cancelled);
  Status Begin(const net::Response& response) override;
  Status Write(std::span<const std::byte> bytes) override;
  // From the beginning again.
  Status Restart();
  // Whether every byte is there; `unknown` when nobody said how many there are.
  bool Whole(bool unknown) const { return file_.size ? part_.size() == *file_.size : unknown; }
  // Whether the bytes are the file that the hub names; the digest ends with it.
  Status Verify();

 private:
  void StartDigest();

  PartFile& part_;
  RemoteFile file_;  // completed by what the answer's headers say
  Progress* progress_;
  std::optional<Digest> digest_;
};

}  // namespace wring::hub
