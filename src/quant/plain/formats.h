// Plain weights: float32, float16, bfloat16. A packed panel is [cols][16 rows] elements.
#pragma once

#include "quant/weight_format.h"

namespace wring {

const WeightFormat& PlainF32();
const WeightFormat& PlainF16();
const WeightFormat& PlainBF16();

}  // namespace wring
