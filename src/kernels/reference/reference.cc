#include "kernels/reference/reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "tensor/half.h"

namespace wring::reference {
namespace {

float Element(const std::byte* base, CodecId codec, size_t index, uint32_t head_dim,
              uint32_t token) {
  if (codec == CodecId::kI8) {
    float scale;
    std::memcpy(&scale, base + Codec(codec).scales_at(head_dim) + 4 * token, 4);
    return static_cast<float>(static_cast<int8_t>(base[index])) * scale;
  }
  if (codec == CodecId::kF32) {
    float v;
    std::memcpy(&v, base + 4 * index, 4);
    return v;
  }
  uint16_t h;
  std::memcpy(&h, base + 2 * index, 2);
  return F16ToF32(h);
}

}  // namespace

std::vector<double> Linear(const PackedMatrix& w, std::span<const double> x,
                           std::vector<double>* magnitude) {
  std::vector<double> y(w.rows, 0.0);
  if (magnitude != nullptr) magnitude->assign(w.rows, 0.0);
  std::vector<float> row(w.cols);
  for (uint32_t r = 0; r < w.rows; ++r) {
    w.DequantRow(r, row.data());
    for (uint32_t c = 0; c < w.cols; ++c) {
      y[r] += static_cast<double>(row[c]) * x[c];
      if (magnitude != nullptr) (*magnitude)[r] += std::abs(static_cast<double>(row[c]) * x[c]);
    }
  }
  return y;
}

std::vector<double> QuantizeActivations(std::span<const float> x) {
  std::vector<double> out(x.size());
  for (size_t b = 0; b < x.size(); b += 32) {
    float peak = 0;
    for (size_t i = 0; i < 32; ++i) peak = std::max(peak, std::abs(x[b + i]));
    const float scale = peak / 127.0F;
    const float inverse = peak > 0 ? 127.0F / peak : 0.0F;
    for (size_t i = 0; i < 32; ++i) {
      out[b + i] =
          static_cast<double>(scale) * std::nearbyint(static_cast<double>(x[b + i] * inverse));
    }
  }
  return out;
}

std::vector<double> RmsNorm(std::span<const float> x, std::span<const float> weight, double eps) {
  double squares = 0;
  for (float v : x) squares += static_cast<double>(v) * v;
  const double factor = 1.0 / std::sqrt(squares / static_cast<double>(x.size()) + eps);
  std::vector<double> out;
  for (size_t i = 0; i < x.size(); ++i) out.push_back(x[i] * factor * weight[i]);
  return out;
}

std::vector<double> LayerNorm(std::span<const float> x, std::span<const float> weight,
                              std::span<const float> bias, double eps) {
  const auto n = static_cast<double>(x.size());
  double mean = 0;
  for (float v : x) mean += v / n;
  double variance = 0;
  for (float v : x) variance += (v - mean) * (v - mean) / n;
  std::vector<double> out;
  for (size_t i = 0; i < x.size(); ++i) {
    out.push_back((x[i] - mean) / std::sqrt(variance + eps) * weight[i] + bias[i]);
  }
  return out;
}

double GeluTanh(double x) {
  return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}

double Gelu(double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); }

double Silu(double x) { return x / (1.0 + std::exp(-x)); }

std::vector<double> Attend(std::span<const float> q, std::span<const float> keys,
                           std::span<const float> values, uint32_t head_dim, double scale,
                           double softcap) {
  const size_t tokens = keys.size() / head_dim;
  std::vector<double> s(tokens, 0.0);
  for (size_t t = 0; t < tokens; ++t) {
    for (uint32_t d = 0; d < head_dim; ++d)
      s[t] += static_cast<double>(q[d]) * keys[t * head_dim + d];
    s[t] *= scale;
    if (softcap > 0) s[t] = softcap * std::tanh(s[t] / softcap);
  }
  const double peak = *std::max_element(s.begin(), s.end());
  double total = 0;
  for (double& v : s) total += v = std::exp(v - peak);
  std::vector<double> out(head_dim, 0.0);
  for (size_t t = 0; t < tokens; ++t) {
    for (uint32_t d = 0; d < head_dim; ++d) out[d] += s[t] / total * values[t * head_dim + d];
  }
  return out;
}

float KeyAt(const std::byte* keys, CodecId codec, uint32_t head_dim, uint32_t token,
            uint32_t channel) {
  const size_t padded = KvCodec::PaddedHead(head_dim);
  return Element(keys, codec, (token / 16 * padded + channel) * 16 + token % 16, head_dim, token);
}

float ValueAt(const std::byte* values, CodecId codec, uint32_t head_dim, uint32_t token,
              uint32_t channel) {
  return Element(values, codec, (size_t{channel} / 16 * kBlockTokens + token) * 16 + channel % 16,
                 head_dim, token);
}

}  // namespace wring::reference
