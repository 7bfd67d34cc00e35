#include "formats/gguf.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/checked.h"
#include "formats/gguf_parts.h"
#include "formats/gguf_reader.h"
#include "formats/gguf_types.h"
#include "formats/printable.h"

namespace wring {
namespace {

// Bounds on what a header may ask for; real files have under 100 entries and 2^12 tensors.
constexpr uint64_t kMaxEntries = uint64_t{1} << 16;
constexpr uint64_t kMaxTensors = uint64_t{1} << 18;
constexpr uint64_t kMaxName = 65535;  // of a key in the GGUF specification
constexpr uint64_t kMinAlignment = 8;
constexpr uint64_t kMaxAlignment = uint64_t{1} << 20;
constexpr uint32_t kMaxDims = 4;
// Smallest encodings: key length + one letter + type + one byte; name length, n_dims, type, offset.
constexpr uint64_t kMinEntryBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 4 + 8;

class Parser : GgufReader {
 public:
  Parser(std::span<const std::byte> bytes, std::string_view what) : GgufReader(bytes, what) {}

  Result<GgufFile> Parse() {
    WRING_TRY(ReadHeader());
    for (uint64_t i = 0; i < entry_count_; ++i) WRING_TRY(ReadEntry());
    WRING_TRY(CheckSplit());
    WRING_TRY(ReadAlignment());
    for (uint64_t i = 0; i < tensor_count_; ++i) WRING_TRY(ReadTensor());
    WRING_TRY(PlaceTensors());
    return std::move(file_);
  }

 private:
  Status ReadHeader();
  Status CheckMagic() const;
  Status CheckVersion(uint32_t version) const;
  Status CheckSplit() const;
  Status ReadAlignment();

  Status ReadEntry();

  Status ReadTensor();
  Status ReadShape(TensorRecord* tensor);
  Result<DType> ReadTensorType(const TensorRecord& tensor);
  Status PlaceTensors();

  GgufFile file_;
  uint64_t tensor_count_ = 0;
  uint64_t entry_count_ = 0;
  uint64_t alignment_ = 32;
};

// ---- header

Status Parser::CheckMagic() const {
  const std::string_view start(reinterpret_cast<const char*>(bytes_.data()),
                               std::min<size_t>(bytes_.size(), 64));
  if (start.starts_with("GGUF")) return {};
  if (start.starts_with("version https://git-lfs")) {
    return Error(Code::kCorrupt, "{}: is a Git LFS pointer, not the model; run `git lfs pull`",
                 what_);
  }
  if (start.starts_with("<!") || start.starts_with("<html")) {
    return Error(Code::kCorrupt, "{}: is a web page, not a model; download the file itself", what_);
  }
  for (std::string_view old : {"tjgg", "fmgg", "lmgg", "algg"}) {
    if (start.starts_with(old)) {
      return Unsupported("is a GGML file older than GGUF; convert the model to GGUF again");
    }
  }
  return Error(Code::kCorrupt, "{}: is not a GGUF file (it starts with {}); name a GGUF file",
               what_, Quoted(start.substr(0, 4)));
}

Status Parser::CheckVersion(uint32_t version) const {
  if (version == 2 || version == 3) return {};
  if (version == 1) {
    return Unsupported("is GGUF version 1; convert the model to version 3 again");
  }
  const uint32_t swapped = __builtin_bswap32(version);
  if (swapped >= 1 && swapped <= 3) {
    return Unsupported("is a big-endian GGUF file; convert it to little-endian");
  }
  return Unsupported(
      "is GGUF version {}, this build reads 2 and 3; update Wring or get the file again", version);
}

Status Parser::ReadHeader() {
  WRING_TRY(CheckMagic());
  WRING_TRY(cursor_.Skip(4));
  WRING_ASSIGN(file_.version, cursor_.Read<uint32_t>());
  WRING_TRY(CheckVersion(file_.version));
  WRING_ASSIGN(tensor_count_, cursor_.Read<uint64_t>());
  WRING_ASSIGN(entry_count_, cursor_.Read<uint64_t>());
  if (entry_count_ > std::min(kMaxEntries, cursor_.remaining() / kMinEntryBytes)) {
    return Corrupt("its header announces {} metadata entries in {} bytes", entry_count_,
                   cursor_.remaining());
  }
  if (tensor_count_ > std::min(kMaxTensors, cursor_.remaining() / kMinTensorBytes)) {
    return Corrupt("its header announces {} tensors in {} bytes", tensor_count_,
                   cursor_.remaining());
  }
  return {};
}

// ---- metadata

Status Parser::ReadEntry() {
  WRING_ASSIGN(const auto key, ReadString(kMaxName));
  if (key.empty()) return Corrupt("a metadata key at offset {} is empty", cursor_.position());
  if (file_.metadata.Has(key)) return Corrupt("metadata key {} appears twice", Quoted(key));
  WRING_ASSIGN(const uint32_t type, cursor_.Read<uint32_t>());
  WRING_ASSIGN(auto value, ReadValue(type, key));
  file_.metadata.entries.emplace(key, std::move(value));
  if (cursor_.position() > kMaxMetadataBytes) return TooMuchMetadata();
  return {};
}

Status Parser::CheckSplit() const {
  if (!file_.metadata.Has("split.count")) return {};
  const auto parts = file_.metadata.Int("split.count");
  const auto number = file_.metadata.Int("split.no");
  if (!parts || *parts < 0 || *parts > kMaxGgufParts ||
      (*parts > 1 && (!number || *number < 0 || *number >= *parts))) {
    return Corrupt("split.no and split.count are not those of a part of a model");
  }
  return {};
}

Status Parser::ReadAlignment() {
  if (!file_.metadata.Has("general.alignment")) return {};
  const auto alignment = file_.metadata.Int("general.alignment");
  if (!alignment) return Corrupt("general.alignment is not an integer");
  const auto value = static_cast<uint64_t>(*alignment);
  if (*alignment < 0 || value < kMinAlignment || value > kMaxAlignment ||
      !std::has_single_bit(value)) {
    return Corrupt("general.alignment is {}, not a power of two from {} to {}", *alignment,
                   kMinAlignment, kMaxAlignment);
  }
  alignment_ = value;
  return {};
}

// ---- tensors

Status Parser::ReadShape(TensorRecord* tensor) {
  WRING_ASSIGN(const uint32_t dims, cursor_.Read<uint32_t>());
  if (dims == 0 || dims > kMaxDims) {
    return Corrupt("tensor {} has {} dimensions, 1 to {} are possible", Quoted(tensor->name), dims,
                   kMaxDims);
  }
  uint64_t elements = 1;
  tensor->shape.resize(dims);
  for (uint32_t i = 0; i < dims; ++i) {
    WRING_ASSIGN(const uint64_t size, cursor_.Read<uint64_t>());
    if (size == 0) return Corrupt("tensor {} has a dimension of 0", Quoted(tensor->name));
    if (!CheckedMul(elements, size, &elements) ||
        elements > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
      return Corrupt("tensor {} has more elements than can be counted", Quoted(tensor->name));
    }
    tensor->shape[dims - 1 - i] = size;  // stored innermost first
  }
  return {};
}

Result<DType> Parser::ReadTensorType(const TensorRecord& tensor) {
  WRING_ASSIGN(const uint32_t number, cursor_.Read<uint32_t>());
  const auto name = GgufTensorTypeName(number);
  if (name.empty()) {
    return Corrupt("tensor {} has the unknown type {}", Quoted(tensor.name), number);
  }
  const auto dtype = DTypeByName(name);
  if (!dtype) {
    return Unsupported(
        "tensor {} has the unsupported tensor type {}; get the model in another quantization, for "
        "example Q4_K_M or Q8_0",
        Quoted(tensor.name), name);
  }
  return *dtype;
}

Status Parser::ReadTensor() {
  TensorRecord tensor;
  WRING_ASSIGN(tensor.name, ReadString(kMaxName));
  if (tensor.name.empty())
    return Corrupt("a tensor name at offset {} is empty", cursor_.position());
  WRING_TRY(ReadShape(&tensor));
  WRING_ASSIGN(tensor.dtype, ReadTensorType(tensor));
  const auto& info = Info(tensor.dtype);
  if (tensor.shape.back() % info.block != 0) {
    return Corrupt("tensor {} has rows of {} elements, not whole {} blocks of {}",
                   Quoted(tensor.name), tensor.shape.back(), info.name, info.block);
  }
  const auto bytes = StorageBytes(tensor.dtype, tensor.elements());
  if (!bytes) return Corrupt("tensor {} has more bytes than can be counted", Quoted(tensor.name));
  tensor.bytes = *bytes;
  WRING_ASSIGN(tensor.offset, cursor_.Read<uint64_t>());
  if (tensor.offset % alignment_ != 0) {
    return Corrupt("tensor {} lies at offset {}, not a multiple of {}", Quoted(tensor.name),
                   tensor.offset, alignment_);
  }
  if (cursor_.position() > kMaxMetadataBytes) return TooMuchMetadata();
  const auto [it, inserted] = file_.tensors.tensors.emplace(tensor.name, std::move(tensor));
  if (!inserted) return Corrupt("tensor {} appears twice", Quoted(it->first));
  return {};
}

// Offsets are relative to the aligned end of the header: makes them absolute and checks that every
// tensor lies inside the file and none overlaps another. Gaps are allowed; writers pad freely.
Status Parser::PlaceTensors() {
  const uint64_t data = RoundUp(cursor_.position(), alignment_);
  std::vector<TensorRecord*> order;
  order.reserve(file_.tensors.tensors.size());
  for (auto& [name, tensor] : file_.tensors.tensors) {
    uint64_t end = 0;
    if (!CheckedAdd(tensor.offset, data, &tensor.offset) ||
        !CheckedAdd(tensor.offset, tensor.bytes, &end)) {
      return Corrupt("tensor {} lies beyond any file", Quoted(name));
    }
    if (end > bytes_.size()) {
      return Error(Code::kCorrupt,
                   "{}: tensor {} ends at byte {}, the file has {}; its download was cut, get it "
                   "again",
                   what_, Quoted(name), end, bytes_.size());
    }
    order.push_back(&tensor);
  }
  std::sort(order.begin(), order.end(),
            [](const auto* a, const auto* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < order.size(); ++i) {
    if (order[i - 1]->offset + order[i - 1]->bytes > order[i]->offset) {
      return Corrupt("tensors {} and {} overlap", Quoted(order[i - 1]->name),
                     Quoted(order[i]->name));
    }
  }
  return {};
}

}  // namespace

Result<GgufFile> ParseGguf(std::span<const std::byte> bytes, std::string_view what) {
  return Parser(bytes, what).Parse();
}

Result<GgufFile> OpenGguf(const std::string& path) {
  WRING_ASSIGN(auto file, MappedFile::Open(path));
  WRING_ASSIGN(auto gguf, ParseGguf(file->bytes(), file->path()));
  gguf.tensors.files.push_back(std::move(file));
  if (gguf.metadata.Int("split.count").value_or(1) > 1) return JoinGgufParts(std::move(gguf));
  return gguf;
}

}  // namespace wring
