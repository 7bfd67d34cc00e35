// Slow, obvious kernels in float64: what every fast kernel is tested against (contract 4). They read
// weights through WeightFormat's dequantisers and the cache through its documented layout only.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kv/codec/codec.h"
#include "quant/weight_format.h"

namespace wring::reference {

// y = W x, [rows]. `magnitude` (may be null) gets sum |w x| a row, the scale of rounding errors.
std::vector<double> Linear(const PackedMatrix& w, std::span<const double> x,
                           std::vector<double>* magnitude = nullptr);

// Activations as the int8 kernels see them: a block of 32 rounded to scale * int8, scale = max |x| / 127.
std::vector<double> QuantizeActivations(std::span<const float> x);

std::vector<double> RmsNorm(std::span<const float> x, std::span<const float> weight, double eps);
std::vector<double> LayerNorm(std::span<const float> x, std::span<const float> weight,
                              std::span<const float> bias, double eps);
double Silu(double x);
double GeluTanh(double x);
double Gelu(double x);

// Attention of one query over keys and values [tokens][head_dim], all visible. softcap 0: none.
std::vector<double> Attend(std::span<const float> q, std::span<const float> keys,
                           std::span<const float> values, uint32_t head_dim, double scale,
                           double softcap = 0);

// Element (token, channel) of a head's keys or values in a block, see kv/codec/codec.h.
float KeyAt(const std::byte* keys, CodecId codec, uint32_t head_dim, uint32_t token,
            uint32_t channel);
float ValueAt(const std::byte* values, CodecId codec, uint32_t head_dim, uint32_t token,
              uint32_t channel);

}  // namespace wring::reference
