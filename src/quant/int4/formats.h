// 4-bit integers in groups of 32 or 128 columns as weight formats.
#pragma once

#include "quant/weight_format.h"

namespace wring {

const WeightFormat& Int4G32();
const WeightFormat& Int4G128();

}  // namespace wring
