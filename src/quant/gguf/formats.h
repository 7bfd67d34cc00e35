// The GGUF block types as weight formats.
#pragma once

#include "quant/weight_format.h"

namespace wring {

const WeightFormat& GgufQ8_0();
const WeightFormat& GgufQ4_0();
const WeightFormat& GgufQ4_1();
const WeightFormat& GgufQ5_0();
const WeightFormat& GgufQ5_1();
const WeightFormat& GgufQ2_K();
const WeightFormat& GgufQ3_K();
const WeightFormat& GgufQ4_K();
const WeightFormat& GgufQ5_K();
const WeightFormat& GgufQ6_K();
const WeightFormat& GgufIQ4_NL();
const WeightFormat& GgufIQ4_XS();
const WeightFormat& GgufMXFP4();

}  // namespace wring
