// What rank 0 of a team tells the others, as messages.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/executor.h"
#include "quant/format_id.h"

namespace wring {

enum class TeamCall : uint8_t { kOpen, kRandom, kStart, kStep, kTimeOps, kCopy, kStop, kEnd };

// kOpen
struct OpenCall {
  std::string path;
  DeviceKind device = DeviceKind::kHost;
  uint32_t threads = 0;
  bool reduce = false;
};
// kRandom: a model of the Llama architecture
struct RandomCall {
  ModelSpec spec;
  FormatId format = FormatId::kF16;
  DeviceKind device = DeviceKind::kHost;
  bool reduce = false;
};
// kStart
struct StartCall {
  std::vector<CodecId> codecs;
  uint64_t pool_bytes = 0;
  ExecutorOptions options;
};
// kCopy
struct CopyCall {
  uint64_t to = 0, from = 0, bytes = 0;
};

std::vector<std::byte> ToBytes(const OpenCall& call);
std::vector<std::byte> ToBytes(const RandomCall& call);
std::vector<std::byte> ToBytes(const StartCall& call);
std::vector<std::byte> ToBytes(const CopyCall& call);
std::vector<std::byte> ToBytes(TeamCall call);  // of those without more

class ByteCursor;
// What follows the kind.
Result<OpenCall> ReadOpen(ByteCursor& from);
Result<RandomCall> ReadRandom(ByteCursor& from);
Result<StartCall> ReadStart(ByteCursor& from);
Result<CopyCall> ReadCopy(ByteCursor& from);

}  // namespace wring
