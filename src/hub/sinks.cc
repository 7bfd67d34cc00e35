#include "hub/sinks.h"

#include <charconv>

#include "formats/json.h"
#include "formats/printable.h"

namespace wring::hub {
namespace {

// "bytes 100-199/200" -> first byte and the whole size; false for anything else ("*" as size gives none).
bool ReadContentRange(std::string_view text, uint64_t* first, std::optional<uint64_t>* total) {
  constexpr std::string_view kUnit = "bytes ";
  if (!text.starts_with(kUnit)) return false;
  const char* const end = text.data() + text.size();
  auto [at, error] = std::from_chars(text.data() + kUnit.size(), end, *first);
  const auto slash = text.rfind('/');
  if (error != std::errc() || at == end || *at != '-' || slash == std::string_view::npos) {
    return false;
  }
  uint64_t size = 0;
  const auto whole = text.substr(slash + 1);
  if (whole == "*") return true;
  const auto [last, wrong] = std::from_chars(whole.data(), end, size);
  if (wrong != std::errc() || last != end) return false;
  *total = size;
  return true;
}

// X-Linked-Etag: the SHA-256 of a large file, in quotes.
std::string EtagHash(std::string text) {
  if (text.size() == 66 && text.front() == '"' && text.back() == '"') text = text.substr(1, 64);
  const bool hex = text.find_first_not_of("0123456789abcdef") == std::string::npos;
  return hex && text.size() == 64 ? text : "";
}

}  // namespace

Status TextSink::Begin(const net::Response&) {
  text_.clear();
  return {};
}

Status TextSink::Write(std::span<const std::byte> bytes) {
  if (text_.size() + bytes.size() > kMaxJsonBytes) {
    return Error(Code::kLimit, "the hub's list of files exceeds {} MiB: choose another model",
                 kMaxJsonBytes >> 20);
  }
  text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return {};
}

FileSink::FileSink(PartFile& part, const RemoteFile& file, Progress* progress)
    : part_(part), file_(file), progress_(progress) {
  StartDigest();
}

void FileSink::StartDigest() {
  digest_.reset();
  if (!file_.sha256.empty()) {
    digest_ = Digest::Sha256();
  } else if (!file_.blob.empty() && file_.size) {
    digest_ = Digest::GitBlob(*file_.size);
  }
}

Status FileSink::Resume(const net::Cancelled& cancelled) {
  // Without a hash nobody could tell whether old and new bytes belong together.
  if (!digest_ || !file_.size || part_.size() > *file_.size) return Restart();
  return part_.ReadAll([&](std::span<const std::byte> bytes) {
    digest_->Update(bytes);
    return !(cancelled && cancelled());
  });
}

Status FileSink::Restart() {
  WRING_TRY(part_.Truncate(0));
  StartDigest();
  return {};
}

Status FileSink::Begin(const net::Response& response) {
  const bool rest = response.status == 206;  // otherwise all of it, whatever was asked for
  if (rest) {
    uint64_t first = 0;
    std::optional<uint64_t> total;
    const auto range = response.Header("content-range");
    if (!ReadContentRange(range, &first, &total) || first != part_.size() ||
        (total && file_.size && *total != *file_.size)) {
      return Error(Code::kCorrupt,
                   "{} sends the range {} of {}, which was not asked for: try again",
                   response.url.Host(), Quoted(range), Quoted(file_.name));
    }
  }
  if (response.length) {
    const uint64_t size = (rest ? part_.size() : 0) + *response.length;
    // Before anything is thrown away: a page that asks for a login must not cost what is there.
    if (file_.size && size != *file_.size) {
      return Error(Code::kCorrupt, "{} sends {} bytes of {} where {} are expected: try again later",
                   response.url.Host(), size, Quoted(file_.name), *file_.size);
    }
    file_.size = size;
  }
  if (!rest) WRING_TRY(Restart());
  if (!digest_ && part_.size() == 0) {
    file_.sha256 = EtagHash(response.Header("x-linked-etag"));
    StartDigest();
  }
  return {};
}

Status FileSink::Write(std::span<const std::byte> bytes) {
  if (file_.size && part_.size() + bytes.size() > *file_.size) {
    return Error(Code::kCorrupt, "{} is longer than the {} bytes expected: try again later",
                 Quoted(file_.name), *file_.size);
  }
  WRING_TRY(part_.Append(bytes));
  if (digest_) digest_->Update(bytes);
  if (progress_) progress_->Report(Printable(file_.name, 60), part_.size(), file_.size.value_or(0));
  return {};
}

Status FileSink::Verify() {
  if (!digest_) return {};
  const auto found = digest_->Hex();
  if (found == file_.Hash()) return {};
  return Error(Code::kCorrupt,
               "{} has the {} {} where {} is expected: it was thrown away, try again later and "
               "report it if it happens twice",
               Quoted(file_.name), file_.sha256.empty() ? "blob SHA-1" : "SHA-256", found,
               file_.Hash());
}

}  // namespace wring::hub
