// A step as bytes, for ranks of the same build: fields in order, in this machine's byte order.
#pragma once

#include <span>
#include <vector>

#include "base/result.h"
#include "model/step.h"

namespace wring {

void AppendStep(const Step& step, std::vector<std::byte>* bytes);
// kCorrupt when they end too early.
Result<Step> ReadStep(std::span<const std::byte> bytes);

}  // namespace wring
