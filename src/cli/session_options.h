// The options that several commands share, turned into the engine's.
#pragma once

#include <memory>

#include "cli/arguments.h"
#include "engine/session.h"

namespace wring::cli {

struct Loaded {
  std::unique_ptr<Model> model;
  SessionOptions session;  // --exact, --kv; the context is the command's to choose
};

// As --device says.
Result<Device*> DeviceOf(const Arguments& arguments);
// As --tp says, else mpirun.
uint32_t RanksOf(const Arguments& arguments);
// --gpu-layers: -1 for auto.
Result<int32_t> GpuLayersOf(const Arguments& arguments);
// --device, --gpu-layers, --no-repack, --tp and --invariant; the threads are the command's.
Result<ModelOptions> LoadingOf(const Arguments& arguments);
// The cache that --kv asks for; with --exact float32, which another --kv contradicts.
Result<CodecId> CacheOf(const Arguments& arguments);
// Opens MODEL as --device, --threads and --no-repack say, with a progress bar.
Result<std::unique_ptr<Model>> OpenModel(const Arguments& arguments, bool need_text);
// The same with --exact and --kv.
Result<Loaded> LoadModel(const Arguments& arguments, bool need_text);

// Token ids from a file of little-endian int32.
Result<std::vector<int32_t>> ReadIds(const std::string& path);

}  // namespace wring::cli
