// Weights that the binary carries: trained by wring speech train on simulated conversations alone.
#pragma once

#include <cstddef>
#include <span>

namespace wring::speech {

std::span<const std::byte> BuiltInVad();
std::span<const std::byte> BuiltInEmbedding();

}  // namespace wring::speech
