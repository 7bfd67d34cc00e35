#include "bench/random_model.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "bench/machine.h"
#include "bench/random_blocks.h"
#include "formats/gguf_types.h"
#include "model/weights.h"

namespace wring::bench {
namespace {

constexpr uint64_t kAlignment = 32;

struct Preset {
  std::string_view name;
  uint32_t layers, hidden, heads, kv_heads, ffn, vocab;
};
constexpr Preset kPresets[] = {
    {"smollm2-135m", 30, 576, 9, 3, 1536, 49152},   {"llama-1.5b", 24, 2048, 16, 2, 8192, 32000},
    {"llama-3b", 28, 3072, 24, 8, 8192, 128256},    {"llama-7b", 32, 4096, 32, 32, 11008, 32000},
    {"llama-3-8b", 32, 4096, 32, 8, 14336, 128256}, {"qwen2.5-0.5b", 24, 896, 14, 2, 4864, 151936},
};

uint32_t* Field(ModelSpec& s, std::string_view key) {
  if (key == "layers") return &s.layers;
  if (key == "hidden") return &s.hidden;
  if (key == "heads") return &s.heads;
  if (key == "kv") return &s.kv_heads;
  if (key == "ffn") return &s.ffn;
  if (key == "vocab") return &s.vocab;
  return nullptr;
}

Status ParsePart(std::string_view part, ModelSpec& spec) {
  for (const Preset& p : kPresets) {
    if (p.name != part) continue;
    spec.layers = p.layers;
    spec.hidden = p.hidden;
    spec.heads = p.heads;
    spec.kv_heads = p.kv_heads;
    spec.ffn = p.ffn;
    spec.vocab = p.vocab;
    return {};
  }
  const size_t equals = part.find('=');
  uint32_t* field =
      equals == std::string_view::npos ? nullptr : Field(spec, part.substr(0, equals));
  uint32_t value = 0;
  if (field != nullptr) {
    const std::string_view digits = part.substr(equals + 1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size()) value = 0;
  }
  if (value == 0 || value > (1U << 20)) {
    return Error(Code::kInvalid,
                 "a shape cannot have \"{}\": give smollm2-135m, llama-1.5b, llama-3b, llama-7b, "
                 "llama-3-8b, qwen2.5-0.5b, or layers=, hidden=, "
                 "heads=, kv=, ffn=, vocab=",
                 part);
  }
  *field = value;
  return {};
}

Status CheckSpec(const RandomModelShape& shape) {
  const ModelSpec& s = shape.spec;
  for (const auto& [key, value] : {std::pair{"layers", s.layers},
                                   {"hidden", s.hidden},
                                   {"heads", s.heads},
                                   {"kv", s.kv_heads},
                                   {"ffn", s.ffn},
                                   {"vocab", s.vocab}}) {
    if (value == 0) return Error(Code::kInvalid, "the shape {} does not say {}=", shape.name, key);
  }
  if (s.layers > 1024 || s.heads > 1024 || s.kv_heads > s.heads || s.heads % s.kv_heads != 0 ||
      s.hidden % s.heads != 0 || s.head_dim % 2 != 0 || s.head_dim > 1024) {
    return Error(Code::kInvalid,
                 "the shape {}: {} heads over {} KV heads do not divide a width of {}", shape.name,
                 s.heads, s.kv_heads, s.hidden);
  }
  const uint32_t block = std::max<uint32_t>(shape.format->block_cols(), 32);
  if (s.hidden % block != 0 || s.ffn % block != 0) {
    return Error(Code::kInvalid,
                 "the shape {}: widths of {} and {} are not whole blocks of {} of {}", shape.name,
                 s.hidden, s.ffn, block, shape.format->name());
  }
  return {};
}

// GGUF, little-endian, as this machine is.
class Header {
 public:
  template <typename T>
  void Put(T value) {
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof(T));
  }
  void Text(std::string_view text) {
    Put<uint64_t>(text.size());
    bytes_.append(text);
  }
  void Integer(std::string_view key, uint32_t value) {
    Text(key);
    Put<uint32_t>(kGgufU32);
    Put(value);
  }
  void Number(std::string_view key, float value) {
    Text(key);
    Put<uint32_t>(kGgufF32);
    Put(value);
  }
  void String(std::string_view key, std::string_view value) {
    Text(key);
    Put<uint32_t>(kGgufString);
    Text(value);
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

struct Tensor {
  WeightDecl shape;
  const WeightFormat* format;
  uint64_t bytes() const { return shape.rows * format->row_bytes(shape.cols); }
};

uint32_t GgufNumber(const WeightFormat& format) {
  for (uint32_t n = 0; n < 64; ++n) {
    if (GgufTensorTypeName(n) == format.name()) return n;
  }
  return 0;
}

std::string MakeHeader(const RandomModelShape& shape, const std::vector<Tensor>& tensors) {
  const ModelSpec& s = shape.spec;
  constexpr uint64_t kEntries = 11;
  Header h;
  h.Put<uint32_t>(0x46554747);  // "GGUF"
  h.Put<uint32_t>(3);
  h.Put<uint64_t>(tensors.size());
  h.Put<uint64_t>(kEntries);
  h.String("general.architecture", "llama");
  h.String("general.name", shape.name);
  h.Integer("llama.block_count", s.layers);
  h.Integer("llama.embedding_length", s.hidden);
  h.Integer("llama.feed_forward_length", s.ffn);
  h.Integer("llama.attention.head_count", s.heads);
  h.Integer("llama.attention.head_count_kv", s.kv_heads);
  h.Integer("llama.context_length", s.context);
  h.Number("llama.attention.layer_norm_rms_epsilon", s.norm_eps);
  // Other engines want to know that there is no tokenizer.
  h.String("tokenizer.ggml.model", "no_vocab");
  h.Integer("llama.vocab_size", s.vocab);
  uint64_t offset = 0;
  for (const Tensor& t : tensors) {
    const bool matrix = IsMatrix(t.shape.ref.role);
    h.Text(t.shape.name);
    h.Put<uint32_t>(matrix ? 2 : 1);
    if (matrix) h.Put<uint64_t>(t.shape.cols);
    h.Put<uint64_t>(t.shape.rows);
    h.Put<uint32_t>(GgufNumber(*t.format));
    h.Put<uint64_t>(offset);
    offset += RoundUp(t.bytes(), kAlignment);
  }
  std::string bytes = h.bytes();
  bytes.resize(RoundUp<uint64_t>(bytes.size(), kAlignment));
  return bytes;
}

}  // namespace

Result<RandomModelShape> ParseShape(const std::string& text) {
  RandomModelShape shape;
  shape.name = text;
  shape.spec.architecture = "llama";
  shape.spec.context = 32768;
  shape.spec.tied_head = true;
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) {
    return Error(Code::kInvalid,
                 "the shape {} does not say a weight format: add :Q8_0 or another one", text);
  }
  WRING_ASSIGN(shape.format, FormatByName(text.substr(colon + 1)));
  shape.spec.float8_activations = true;  // of no effect on other weights
  std::string_view rest = std::string_view(text).substr(0, colon);
  while (true) {
    const size_t comma = rest.find(',');
    WRING_TRY(ParsePart(rest.substr(0, comma), shape.spec));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  if (shape.spec.heads != 0) shape.spec.head_dim = shape.spec.hidden / shape.spec.heads;
  WRING_TRY(CheckSpec(shape));
  return shape;
}

RandomModelFile::~RandomModelFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

std::string RandomModelFile::path() const { return fmt::format("/proc/self/fd/{}", descriptor_); }

Status RandomModelFile::Append(const void* data, size_t size, const std::string& folder) {
  const auto* at = static_cast<const std::byte*>(data);
  while (size > 0) {
    const ssize_t n = write(descriptor_, at, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      return Error(Code::kIo,
                   "{}: a temporary file cannot be written ({}): free space there, or set TMPDIR",
                   folder, std::strerror(errno));
    }
    at += n;
    size -= static_cast<size_t>(n);
  }
  return {};
}

Result<RandomModelFile> RandomModelFile::Write(const RandomModelShape& shape, Progress* progress) {
  if (shape.format->id() != FormatId::kF32 && GgufNumber(*shape.format) == 0) {
    return Error(
        Code::kInvalid,
        "the shape {}: {} is no type of GGUF files, which a processor reads: use --gemm or "
        "--gemv, or --device cuda",
        shape.name, shape.format->name());
  }
  const char* set = std::getenv("TMPDIR");
  const std::string folder =
      set != nullptr && *set != 0 ? set : "/var/tmp";  // on a disk, where /tmp may be memory
  std::string name = folder + "/wring-bench-XXXXXX";
  const int descriptor = mkostemp(name.data(), O_CLOEXEC);
  if (descriptor < 0) {
    return Error(Code::kIo,
                 "{}: a temporary file cannot be made ({}): set TMPDIR to a folder with space",
                 folder, std::strerror(errno));
  }
  unlink(name.c_str());
  RandomModelFile file(descriptor);

  std::vector<Tensor> tensors;
  uint64_t total = 0;
  for (const WeightDecl& w : WeightsOf(shape.spec, ConfigView::Naming::kGguf)) {
    const bool matrix = IsMatrix(w.ref.role);
    tensors.push_back({w, matrix ? shape.format : &Format(FormatId::kF32)});
    total += tensors.back().bytes();
  }
  WRING_TRY(CheckMemory(total, shape.name));
  const std::string header = MakeHeader(shape, tensors);
  WRING_TRY(file.Append(header.data(), header.size(), folder));

  // A few MiB of random blocks, repeated.
  const auto blocks = RandomStored(*shape.format, uint64_t{4} << 20, 7);
  uint64_t done = 0;
  for (const Tensor& t : tensors) {
    const uint64_t bytes = t.bytes();
    if (IsMatrix(t.shape.ref.role)) {
      for (uint64_t at = 0; at < bytes; at += blocks.size()) {
        WRING_TRY(
            file.Append(blocks.data(), std::min<uint64_t>(blocks.size(), bytes - at), folder));
      }
    } else {
      const std::vector<float> ones(t.shape.rows, 1.0F);
      WRING_TRY(file.Append(ones.data(), bytes, folder));
    }
    const std::string padding(RoundUp(bytes, kAlignment) - bytes, '\0');
    WRING_TRY(file.Append(padding.data(), padding.size(), folder));
    done += bytes;
    if (progress != nullptr) progress->Report("making weights", done, total);
  }
  return file;
}

}  // namespace wring::bench
