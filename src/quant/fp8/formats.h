// 8-bit floats with a scale every 32 or 128 columns as weight formats.
#pragma once

#include "quant/weight_format.h"

namespace wring {

const WeightFormat& Fp8G32();
const WeightFormat& Fp8G128();

}  // namespace wring
