// A saved reference for `wring perplexity --kl-base`: the log-probabilities of every scored position.
//
// Little-endian: a header of 64 bytes, then `scored` rows of `vocab` float16 natural-log probabilities.
//   0   8 bytes  "WRINGKL1"
//   8   u32      vocab
//   12  u32      context of the windows
//   16  u64      scored positions
//   24  u64      FNV-1a of what was scored: the ids of the text, the windows
//   32  zeros
// Rounded to float16 a row no longer sums to one: readers normalise it again.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/atomic_file.h"
#include "cli/windows.h"
#include "formats/mapped_file.h"

namespace wring::cli {

struct ReferenceHeader {
  char magic[8] = {'W', 'R', 'I', 'N', 'G', 'K', 'L', '1'};
  uint32_t vocab = 0;
  uint32_t context = 0;
  uint64_t scored = 0;
  uint64_t text = 0;
  uint64_t zero[4] = {};

  static ReferenceHeader For(std::span<const int32_t> ids, std::span<const Window> windows,
                             uint32_t vocab, uint32_t context);
};
static_assert(sizeof(ReferenceHeader) == 64);

class ReferenceWriter {
 public:
  static Result<ReferenceWriter> Create(const std::string& path, const ReferenceHeader& header);
  Status Add(std::span<const float> log_probabilities);
  Status Commit() { return file_.Commit(); }

 private:
  explicit ReferenceWriter(AtomicFile file) : file_(std::move(file)) {}
  AtomicFile file_;
  std::vector<uint16_t> row_;
};

class ReferenceReader {
 public:
  // Fails when the file was made from another text, cut into other windows, or with another vocabulary.
  static Result<ReferenceReader> Open(const std::string& path, const ReferenceHeader& wanted);
  // Row `i` < scored, valid until the next call.
  std::span<const float> Row(uint64_t i);

 private:
  std::shared_ptr<MappedFile> file_;
  std::vector<float> row_;
};

}  // namespace wring::cli
