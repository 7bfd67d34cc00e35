#include "cli/reference_file.h"

#include <algorithm>
#include <cstring>

#include "base/checked.h"
#include "tensor/half.h"

namespace wring::cli {

ReferenceHeader ReferenceHeader::For(std::span<const int32_t> ids, std::span<const Window> windows,
                                     uint32_t vocab, uint32_t context) {
  ReferenceHeader header;
  header.vocab = vocab;
  header.context = context;
  uint64_t hash = 0xcbf29ce484222325;
  const auto mix = [&hash](uint64_t value) {
    for (int byte = 0; byte < 8; ++byte)
      hash = (hash ^ ((value >> (8 * byte)) & 0xff)) * 0x100000001b3;
  };
  for (const Window& w : windows) {
    header.scored += w.end - w.scored;
    mix(w.begin);
    mix(w.scored);
    mix(w.end);
    for (size_t i = w.begin; i < w.end; ++i) mix(static_cast<uint64_t>(ids[i]));
  }
  header.text = hash;
  return header;
}

Result<ReferenceWriter> ReferenceWriter::Create(const std::string& path,
                                                const ReferenceHeader& header) {
  WRING_ASSIGN(auto file, AtomicFile::Create(path));
  WRING_TRY(file.Write(std::as_bytes(std::span(&header, 1))));
  return ReferenceWriter(std::move(file));
}

Status ReferenceWriter::Add(std::span<const float> log_probabilities) {
  row_.resize(log_probabilities.size());
  // -65504 is the lowest finite float16; below it there is no probability to speak of.
  std::transform(log_probabilities.begin(), log_probabilities.end(), row_.begin(),
                 [](float x) { return F32ToF16(std::max(x, -65504.0F)); });
  return file_.Write(std::as_bytes(std::span(row_)));
}

Result<ReferenceReader> ReferenceReader::Open(const std::string& path,
                                              const ReferenceHeader& wanted) {
  ReferenceReader reader;
  WRING_ASSIGN(reader.file_, MappedFile::Open(path));
  const auto bytes = reader.file_->bytes();
  ReferenceHeader header;
  if (bytes.size() < sizeof(header) ||
      std::memcmp(bytes.data(), header.magic, sizeof(header.magic)) != 0) {
    return Error(Code::kCorrupt,
                 "{}: this is no reference that --kl-save wrote: choose another file", path);
  }
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.vocab != wanted.vocab) {
    return Error(Code::kInvalid,
                 "{}: the reference is of a vocabulary of {} and the model's has {}: compare "
                 "models that share one",
                 path, header.vocab, wanted.vocab);
  }
  if (header.context != wanted.context || header.scored != wanted.scored ||
      header.text != wanted.text) {
    return Error(Code::kInvalid,
                 "{}: the reference was made from another text or other windows ({} positions, "
                 "context {}; now {} and {}): "
                 "use the same FILE, --mode, --context, --stride and --windows",
                 path, header.scored, header.context, wanted.scored, wanted.context);
  }
  uint64_t values = 0;
  uint64_t size = 0;
  if (!CheckedMul(header.scored, header.vocab, &values) ||
      !CheckedMul(values, sizeof(uint16_t), &size) || !CheckedAdd(size, sizeof(header), &size) ||
      size != bytes.size()) {
    return Error(Code::kCorrupt,
                 "{}: the reference is cut short or damaged: write it again with --kl-save", path);
  }
  reader.row_.resize(header.vocab);
  return reader;
}

std::span<const float> ReferenceReader::Row(uint64_t i) {
  const std::byte* from =
      file_->bytes().data() + sizeof(ReferenceHeader) + i * row_.size() * sizeof(uint16_t);
  for (size_t t = 0; t < row_.size(); ++t) {
    uint16_t half;
    std::memcpy(&half, from + t * sizeof(half), sizeof(half));
    row_[t] = F16ToF32(half);
  }
  return row_;
}

}  // namespace wring::cli
