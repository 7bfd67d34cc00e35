// The GGUF block types as weight formats.
#pragma once

#include "quant/weight_format.h"

namespace wring {

const WeightFormat& GgufQ8_0();
const WeightFormat& GgufQ4_0();
const WeightFormat& GgufQ4_1();
const WeightFormat& GgufQ5_0();
const WeightFormat& GgufQ4_K();
const WeightFormat& GgufQ5_K();
const WeightFormat& GgufQ6_K();

}  // namespace wring
