#include "formats/safetensors.h"

#include <algorithm>
#include <exception>
#include <vector>

#include "base/byte_cursor.h"
#include "base/checked.h"
#include "formats/json.h"
#include "formats/printable.h"

namespace wring {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;
constexpr size_t kMaxDims = 8;
constexpr uint64_t kMinHeaderBytes = 2;  // {}

template <typename... Args>
Status Corrupt(std::string_view what, fmt::format_string<Args...> format, Args&&... args) {
  return Error(Code::kCorrupt, "{}: {}; the file is damaged, get it again", what,
               fmt::format(format, std::forward<Args>(args)...));
}

// Builds records while the header is parsed, so that no JSON tree is ever held and every deviation
// from {"name": {"dtype": s, "shape": [n...], "data_offsets": [begin, end]}} stops the parse.
class HeaderHandler : public nlohmann::json_sax<Json> {
 public:
  HeaderHandler(std::string_view what, uint64_t data_begin)
      : what_(what), data_begin_(data_begin) {}

  SafetensorsHeader header;
  Status error;

  bool null() override { return Unexpected("null"); }
  bool boolean(bool) override { return Unexpected("a boolean"); }
  bool number_integer(number_integer_t) override { return Unexpected("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return Unexpected("a fraction"); }
  bool binary(binary_t&) override { return Unexpected("binary data"); }
  bool number_unsigned(number_unsigned_t value) override;
  bool string(string_t& value) override;
  bool start_object(size_t) override;
  bool key(string_t& value) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool parse_error(size_t position, const std::string&, const Json::exception&) override {
    error = Corrupt(what_, "its header is not valid JSON at byte {}", position);
    return false;
  }

 private:
  enum Field : unsigned { kNone = 0, kDtype = 1, kShape = 2, kOffsets = 4, kAll = 7 };

  template <typename... Args>
  bool Fail(fmt::format_string<Args...> format, Args&&... args) {
    error = Corrupt(what_, format, std::forward<Args>(args)...);
    return false;
  }
  bool Unexpected(std::string_view thing) {
    return Fail("its header has {} where none belongs, at {}", thing, Quoted(name_));
  }
  bool InMetadata() const { return name_ == "__metadata__"; }
  bool StartField(const std::string& name);
  bool FinishTensor();

  std::string_view what_;
  uint64_t data_begin_;
  int depth_ = 0;
  bool metadata_seen_ = false;
  std::string name_;          // key at depth 1
  std::string metadata_key_;  // key at depth 2 within __metadata__
  Field field_ = kNone;       // key at depth 2 within a tensor
  unsigned seen_ = 0;
  bool in_array_ = false;
  std::string dtype_;
  std::vector<uint64_t> shape_;
  std::vector<uint64_t> offsets_;
};

bool HeaderHandler::start_object(size_t) {
  if (depth_ == 2) return Unexpected("an object");
  ++depth_;
  seen_ = 0;
  return true;
}

bool HeaderHandler::key(string_t& value) {
  if (depth_ == 1) {
    name_ = value;
    if (name_.empty()) return Fail("a tensor name is empty");
    if (InMetadata() && std::exchange(metadata_seen_, true)) {
      return Fail("its header has __metadata__ twice");
    }
    return true;
  }
  if (!InMetadata()) return StartField(value);
  metadata_key_ = value;
  return true;
}

bool HeaderHandler::StartField(const std::string& name) {
  field_ = name == "dtype"          ? kDtype
           : name == "shape"        ? kShape
           : name == "data_offsets" ? kOffsets
                                    : kNone;
  if (field_ == kNone)
    return Fail("tensor {} has the unknown field {}", Quoted(name_), Quoted(name));
  if ((seen_ & field_) != 0) return Fail("tensor {} has {} twice", Quoted(name_), name);
  seen_ |= field_;
  if (field_ == kShape) shape_.clear();
  if (field_ == kOffsets) offsets_.clear();
  return true;
}

bool HeaderHandler::string(string_t& value) {
  if (depth_ == 2 && InMetadata()) {
    if (!header.metadata.emplace(metadata_key_, std::move(value)).second) {
      return Fail("its __metadata__ has {} twice", Quoted(metadata_key_));
    }
    return true;
  }
  if (depth_ != 2 || field_ != kDtype) return Unexpected("a string");
  dtype_ = std::move(value);
  return true;
}

bool HeaderHandler::start_array(size_t) {
  const bool belongs = depth_ == 2 && !InMetadata() && (field_ == kShape || field_ == kOffsets);
  if (!belongs || in_array_) return Unexpected("an array");
  in_array_ = true;
  return true;
}

bool HeaderHandler::end_array() {
  in_array_ = false;
  return true;
}

bool HeaderHandler::number_unsigned(number_unsigned_t value) {
  if (!in_array_) return Unexpected("a number");
  auto& list = field_ == kShape ? shape_ : offsets_;
  if (list.size() == (field_ == kShape ? kMaxDims : 2)) {
    return Fail("tensor {} has more than {} {}", Quoted(name_), list.size(),
                field_ == kShape ? "dimensions" : "data_offsets");
  }
  list.push_back(value);
  return true;
}

bool HeaderHandler::end_object() {
  --depth_;
  return depth_ != 1 || InMetadata() || FinishTensor();
}

bool HeaderHandler::FinishTensor() {
  if (seen_ != kAll || offsets_.size() != 2) {
    return Fail("tensor {} lacks its dtype, shape or data_offsets", Quoted(name_));
  }
  const auto dtype = DTypeByName(dtype_);
  if (!dtype || Info(*dtype).block != 1) {
    error = Error(Code::kUnsupported,
                  "{}: tensor {} has the unsupported type {}; convert it to F32, F16 or BF16",
                  what_, Quoted(name_), Quoted(dtype_));
    return false;
  }
  uint64_t elements = 1;
  for (uint64_t size : shape_) {
    if (!CheckedMul(elements, size, &elements)) {
      return Fail("tensor {} has more elements than can be counted", Quoted(name_));
    }
  }
  const auto bytes = StorageBytes(*dtype, elements);
  const uint64_t begin = offsets_[0];
  const uint64_t end = offsets_[1];
  if (!bytes || begin > end || end - begin != *bytes) {
    return Fail("tensor {} of shape [{}] and type {} does not fill its bytes {} to {}",
                Quoted(name_), fmt::join(shape_, ", "), dtype_, begin, end);
  }
  TensorRecord tensor{name_, *dtype, shape_, 0, 0, *bytes};
  if (!CheckedAdd(begin, data_begin_, &tensor.offset)) {
    return Fail("tensor {} lies beyond any file", Quoted(name_));
  }
  if (!header.tensors.emplace(name_, std::move(tensor)).second) {
    return Fail("tensor {} appears twice", Quoted(name_));
  }
  return true;
}

// Sorted by place, each tensor must begin where the one before ended, and the last end the file.
Status CheckPlaces(const SafetensorsHeader& header, uint64_t data_begin, uint64_t file_bytes,
                   std::string_view what) {
  std::vector<const TensorRecord*> order;
  order.reserve(header.tensors.size());
  for (const auto& [name, tensor] : header.tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return a->offset != b->offset ? a->offset < b->offset : a->bytes < b->bytes;
  });
  uint64_t at = data_begin;
  for (const auto* tensor : order) {
    if (tensor->offset != at) {
      return Corrupt(what, "tensor {} begins at byte {} of the data, {} {}", Quoted(tensor->name),
                     tensor->offset - data_begin, at - data_begin,
                     tensor->offset < at ? "are taken" : "would leave no gap");
    }
    if (!CheckedAdd(at, tensor->bytes, &at) || at > file_bytes) {
      return Error(Code::kCorrupt,
                   "{}: tensor {} ends beyond the file's {} bytes; its download was cut, get it "
                   "again",
                   what, Quoted(tensor->name), file_bytes);
    }
  }
  if (at != file_bytes) {
    return Corrupt(what, "its tensors end at byte {}, the file at {}", at, file_bytes);
  }
  return {};
}

Status CheckStart(std::span<const std::byte> bytes, std::string_view what) {
  const std::string_view start(reinterpret_cast<const char*>(bytes.data()),
                               std::min<size_t>(bytes.size(), 64));
  if (start.starts_with("version https://git-lfs")) {
    return Error(Code::kCorrupt, "{}: is a Git LFS pointer, not the model; run `git lfs pull`",
                 what);
  }
  if (bytes.size() < 9 || start[8] != '{') {
    return Error(Code::kCorrupt, "{}: is not a safetensors file; name another or get it again",
                 what);
  }
  return {};
}

}  // namespace

Result<SafetensorsHeader> ParseSafetensors(std::span<const std::byte> bytes,
                                           std::string_view what) {
  WRING_TRY(CheckStart(bytes, what));
  ByteCursor cursor(bytes, what);
  WRING_ASSIGN(const uint64_t size, cursor.Read<uint64_t>());
  if (size < kMinHeaderBytes || size > kMaxHeaderBytes) {
    return Corrupt(what, "its header claims {} bytes, {} to {} are possible", size, kMinHeaderBytes,
                   kMaxHeaderBytes);
  }
  WRING_ASSIGN(const auto view, cursor.Take(size));
  const std::string_view text(reinterpret_cast<const char*>(view.data()), view.size());
  // The JSON lexer takes NUL for the end of its input; whatever follows would go unseen.
  if (text.find('\0') != std::string_view::npos) {
    return Corrupt(what, "its header holds a zero byte");
  }
  HeaderHandler handler(what, cursor.position());
  try {
    if (!Json::sax_parse(text, &handler)) {
      if (!handler.error.ok()) return handler.error;
      return Corrupt(what, "its header is not valid JSON");
    }
  } catch (const std::exception&) {
    return Corrupt(what, "its header cannot be represented");
  }
  WRING_TRY(CheckPlaces(handler.header, cursor.position(), bytes.size(), what));
  return std::move(handler.header);
}

}  // namespace wring
