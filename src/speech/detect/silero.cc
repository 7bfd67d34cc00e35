#include "speech/detect/silero.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <map>

#include "base/byte_cursor.h"
#include "base/checked.h"
#include "formats/safetensors.h"
#include "tensor/half.h"

namespace wring::speech {
namespace {

constexpr uint32_t kGgmlMagic = 0x67676d6c;
constexpr size_t kPanel = 8;  // outputs: with 4 rows, 8 of the 16 vectors of 4 that x86-64 has
constexpr size_t kContext = 64;
constexpr size_t kWindow = 256;
constexpr size_t kFrameStep = 128;
constexpr size_t kFrames = 4;
constexpr size_t kBins = kWindow / 2 + 1;
constexpr size_t kCells = 128;
constexpr size_t kSeen = kContext + Silero::kHop;
static_assert((kSeen + kContext - kWindow) / kFrameStep + 1 == kFrames);

float Logistic(float x) { return 1 / (1 + std::exp(-x)); }

void Relu(std::span<float> values) {
  for (float& v : values) v = v > 0 ? v : 0;
}

}  // namespace

// Tensors by their names in the safetensors file, as float32.
struct Silero::Weights {
  struct Tensor {
    std::vector<uint64_t> shape;  // outermost first, without dimensions of 1
    std::vector<float> values;
  };
  std::string path;
  std::map<std::string, Tensor> tensors;

  Status Add(const std::string& name, DType dtype, const std::vector<uint64_t>& shape,
             std::span<const std::byte> bytes);
  Result<std::vector<float>> Read(const std::string& name, std::vector<uint64_t> shape) const;
  static Result<Weights> FromSafetensors(const std::string& path);
  static Result<Weights> FromGgml(const MappedFile& file);
};

Status Silero::Weights::Add(const std::string& name, DType dtype,
                            const std::vector<uint64_t>& shape, std::span<const std::byte> bytes) {
  Tensor t;
  t.shape = shape;
  std::erase(t.shape, 1U);
  if (dtype == DType::kF32) {
    t.values.resize(bytes.size() / sizeof(float));
    if (!bytes.empty()) std::memcpy(t.values.data(), bytes.data(), bytes.size());
  } else if (dtype == DType::kF16) {
    t.values.resize(bytes.size() / sizeof(uint16_t));
    for (size_t i = 0; i < t.values.size(); ++i) {
      uint16_t half;
      std::memcpy(&half, bytes.data() + i * sizeof(half), sizeof(half));
      t.values[i] = F16ToF32(half);
    }
  } else {
    return Error(Code::kUnsupported, "{}: tensor {} is neither float32 nor float16", path, name);
  }
  tensors.insert_or_assign(name, std::move(t));
  return {};
}

// The tensor's values, when it has the network's shape.
Result<std::vector<float>> Silero::Weights::Read(const std::string& name,
                                                 std::vector<uint64_t> shape) const {
  std::erase(shape, 1U);
  const auto t = tensors.find(name);
  if (t == tensors.end() || t->second.shape != shape) {
    return Error(Code::kCorrupt,
                 "{}: there is no tensor {} of shape [{}]; name the 16 kHz weights of Silero VAD 5 "
                 "or 6 (silero_vad_16k.safetensors)",
                 path, name, fmt::join(shape, ", "));
  }
  for (const float v : t->second.values) {
    if (!std::isfinite(v)) {
      return Error(Code::kCorrupt, "{}: tensor {} holds no finite numbers; get it again", path,
                   name);
    }
  }
  return t->second.values;
}

Result<Silero::Weights> Silero::Weights::FromSafetensors(const std::string& path) {
  WRING_ASSIGN(const auto file, OpenSafetensors(path));
  Weights weights;
  weights.path = path;
  for (const auto& [name, t] : file.tensors)
    WRING_TRY(weights.Add(name, t.dtype, t.shape, file.Bytes(t)));
  return weights;
}

// As whisper.cpp's whisper_vad_init reads it: the magic number, the model's name after its length,
// a version of 3 numbers, 19 of the architecture (which the shapes tell too); then until the end
// tensors: count of dimensions, length of the name, type (0 float32, 1 float16), dimensions with
// the innermost first, name, values.
Result<Silero::Weights> Silero::Weights::FromGgml(const MappedFile& file) {
  static const std::map<std::string, std::string, std::less<>> kNames = {
      {"_model.stft.forward_basis_buffer", "stft_conv.weight"},
      {"_model.decoder.rnn.weight_ih", "lstm_cell.weight_ih"},
      {"_model.decoder.rnn.weight_hh", "lstm_cell.weight_hh"},
      {"_model.decoder.rnn.bias_ih", "lstm_cell.bias_ih"},
      {"_model.decoder.rnn.bias_hh", "lstm_cell.bias_hh"},
      {"_model.decoder.decoder.2.weight", "final_conv.weight"},
      {"_model.decoder.decoder.2.bias", "final_conv.bias"}};
  Weights weights;
  weights.path = file.path();
  ByteCursor cursor(file.bytes(), file.path());
  WRING_TRY(cursor.Skip(sizeof(kGgmlMagic)));
  WRING_ASSIGN(const auto model_length, cursor.Read<uint32_t>());
  WRING_TRY(cursor.Skip(model_length));
  WRING_TRY(cursor.Skip((3 + 19) * sizeof(uint32_t)));
  while (cursor.remaining() > 0) {
    WRING_ASSIGN(const auto dimensions, cursor.Read<uint32_t>());
    WRING_ASSIGN(const auto length, cursor.Read<uint32_t>());
    WRING_ASSIGN(const auto type, cursor.Read<uint32_t>());
    if (dimensions > 3 || type > 1) {
      return Error(Code::kCorrupt,
                   "{}: a tensor of {} dimensions and type {} is none of Silero VAD", weights.path,
                   dimensions, type);
    }
    std::vector<uint64_t> shape;
    uint64_t bytes = type == 0 ? sizeof(float) : sizeof(uint16_t);
    for (uint32_t d = 0; d < dimensions; ++d) {
      WRING_ASSIGN(const auto size, cursor.Read<uint32_t>());
      shape.insert(shape.begin(), size);
      if (!CheckedMul(bytes, size, &bytes)) bytes = UINT64_MAX;  // more than any file holds
    }
    WRING_ASSIGN(const auto name_bytes, cursor.Take(length));
    const std::string name(reinterpret_cast<const char*>(name_bytes.data()), length);
    WRING_ASSIGN(const auto values, cursor.Take(bytes));
    const auto known = kNames.find(name);
    std::string to = known != kNames.end() ? known->second : name;
    for (int i = 0; i < 4; ++i) {
      const auto prefix = fmt::format("_model.encoder.{}.reparam_conv", i);
      if (name.starts_with(prefix)) to = fmt::format("conv{}", i + 1) + name.substr(prefix.size());
    }
    WRING_TRY(weights.Add(to, type == 0 ? DType::kF32 : DType::kF16, shape, values));
  }
  return weights;
}

struct Silero::State {
  std::array<float, kCells> output{};
  std::array<float, kCells> cell{};
};

template <size_t kRows>
void Silero::Layer::ApplyRows(const float* x, size_t stride, float* y) const {
  const float* w = weights.data();
  for (size_t o = 0; o < outputs; o += kPanel) {
    float sums[kRows][kPanel];
    for (size_t r = 0; r < kRows; ++r) std::copy_n(bias.data() + o, kPanel, sums[r]);
    for (size_t i = 0; i < inputs; ++i, w += kPanel) {
      for (size_t r = 0; r < kRows; ++r) {
        const float factor = x[r * stride + i];
// Unrolled before it becomes vectors, it becomes shuffles (GCC 12: three times as slow).
#pragma GCC unroll 1
        for (size_t p = 0; p < kPanel; ++p) sums[r][p] += factor * w[p];
      }
    }
    for (size_t r = 0; r < kRows; ++r) std::copy_n(sums[r], kPanel, y + r * outputs + o);
  }
}

void Silero::Layer::Apply(const float* x, size_t stride, size_t rows, float* y) const {
  for (; rows >= 4; rows -= 4, x += 4 * stride, y += 4 * outputs) ApplyRows<4>(x, stride, y);
  for (; rows >= 2; rows -= 2, x += 2 * stride, y += 2 * outputs) ApplyRows<2>(x, stride, y);
  if (rows == 1) ApplyRows<1>(x, stride, y);
}

Result<Silero::Layer> Silero::ReadLayer(const Weights& weights, const std::string& weight,
                                        const std::vector<std::string>& biases, size_t outputs,
                                        size_t channels, size_t width) {
  WRING_ASSIGN(const auto values, weights.Read(weight, {outputs, channels, width}));
  Layer layer;
  layer.inputs = channels * width;
  layer.outputs = RoundUp(outputs, kPanel);
  layer.weights.resize(layer.inputs * layer.outputs);
  for (size_t o = 0; o < outputs; ++o) {
    float* to = layer.weights.data() + o / kPanel * layer.inputs * kPanel + o % kPanel;
    for (size_t c = 0; c < channels; ++c) {
      for (size_t k = 0; k < width; ++k)
        to[(k * channels + c) * kPanel] = values[(o * channels + c) * width + k];
    }
  }
  layer.bias.resize(layer.outputs);
  for (const auto& name : biases) {
    WRING_ASSIGN(const auto bias, weights.Read(name, {outputs}));
    for (size_t o = 0; o < outputs; ++o) layer.bias[o] += bias[o];
  }
  return layer;
}

Result<Silero> Silero::Build(const Weights& weights) {
  Silero s;
  WRING_ASSIGN(s.fourier_, ReadLayer(weights, "stft_conv.weight", {}, 2 * kBins, 1, kWindow));
  constexpr size_t kSizes[][2] = {{kBins, 128}, {128, 64}, {64, 64}, {64, kCells}};
  for (size_t i = 0; i < 4; ++i) {
    const auto name = fmt::format("conv{}", i + 1);
    WRING_ASSIGN(s.convolutions_[i], ReadLayer(weights, name + ".weight", {name + ".bias"},
                                               kSizes[i][1], kSizes[i][0], 3));
  }
  WRING_ASSIGN(s.input_,
               ReadLayer(weights, "lstm_cell.weight_ih", {"lstm_cell.bias_ih", "lstm_cell.bias_hh"},
                         4 * kCells, kCells, 1));
  WRING_ASSIGN(s.recurrent_, ReadLayer(weights, "lstm_cell.weight_hh", {}, 4 * kCells, kCells, 1));
  WRING_ASSIGN(s.head_, weights.Read("final_conv.weight", {kCells}));
  WRING_ASSIGN(const auto bias, weights.Read("final_conv.bias", {1}));
  s.head_bias_ = bias[0];
  return s;
}

Result<Silero> Silero::Load(const std::string& path) {
  WRING_ASSIGN(const auto file, MappedFile::Open(path));
  ByteCursor cursor(file->bytes(), path);
  const auto magic = cursor.Read<uint32_t>();
  const bool ggml = magic.ok() && *magic == kGgmlMagic;
  WRING_ASSIGN(const Weights weights,
               ggml ? Weights::FromGgml(*file) : Weights::FromSafetensors(path));
  return Build(weights);
}

// From kSeen samples to kCells features. A convolution's input has a row of zeros at both ends.
void Silero::Encode(const float* samples, float* features) const {
  float seen[kSeen + kContext];
  std::copy_n(samples, kSeen, seen);
  for (size_t i = 0; i < kContext; ++i) seen[kSeen + i] = seen[kSeen - 2 - i];
  constexpr size_t kParts = RoundUp(2 * kBins, kPanel);
  float parts[kFrames * kParts];
  fourier_.Apply(seen, kFrameStep, kFrames, parts);
  float magnitudes[(kFrames + 2) * kBins] = {};
  for (size_t f = 0; f < kFrames; ++f) {
    const float* re = parts + f * kParts;
    const float* im = re + kBins;
    float* to = magnitudes + (f + 1) * kBins;
    for (size_t b = 0; b < kBins; ++b) to[b] = std::sqrt(re[b] * re[b] + im[b] * im[b]);
  }
  float first[6 * 128] = {};
  convolutions_[0].Apply(magnitudes, kBins, 4, first + 128);
  Relu({first + 128, size_t{4} * 128});
  float second[4 * 64] = {};
  convolutions_[1].Apply(first, size_t{2} * 128, 2, second + 64);
  Relu({second + 64, size_t{2} * 64});
  float third[3 * 64] = {};
  convolutions_[2].Apply(second, size_t{2} * 64, 1, third + 64);
  Relu({third + 64, 64});
  convolutions_[3].Apply(third, 64, 1, features);
  Relu({features, kCells});
}

// Hochreiter and Schmidhuber's cell with forget gates: c = f c + i g, h = o tanh(c).
float Silero::Step(const float* features, State* state) const {
  float gates[4 * kCells];
  float from_output[4 * kCells];
  input_.Apply(features, kCells, 1, gates);
  recurrent_.Apply(state->output.data(), kCells, 1, from_output);
  for (size_t i = 0; i < 4 * kCells; ++i) gates[i] += from_output[i];
  float sum = head_bias_;
  for (size_t i = 0; i < kCells; ++i) {
    const float keep = Logistic(gates[kCells + i]) * state->cell[i];
    state->cell[i] = keep + Logistic(gates[i]) * std::tanh(gates[2 * kCells + i]);
    state->output[i] = Logistic(gates[3 * kCells + i]) * std::tanh(state->cell[i]);
    sum += head_[i] * std::max(state->output[i], 0.0F);
  }
  return Logistic(sum);
}

Result<std::vector<float>> Silero::Probabilities(std::span<const float> samples16k) const {
  std::vector<float> probabilities((samples16k.size() + kHop - 1) / kHop);
  State state;
  float seen[kSeen];  // before the first hop is silence, as after the last
  float features[kCells];
  for (size_t h = 0; h < probabilities.size(); ++h) {
    const size_t before = h == 0 ? 0 : kContext;
    const auto part = samples16k.subspan(h * kHop - before);
    std::fill(std::begin(seen), std::end(seen), 0.0F);
    std::copy_n(part.data(), std::min(part.size(), kHop + before), seen + kContext - before);
    Encode(seen, features);
    probabilities[h] = Step(features, &state);
  }
  return probabilities;
}

}  // namespace wring::speech
