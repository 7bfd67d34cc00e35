#include "cli/session_options.h"

#include <charconv>
#include <cstring>

#include "cli/models.h"
#include "cli/output.h"
#include "ranks/mpi_link.h"
#include "tensor/devices.h"

namespace wring::cli {

Result<Device*> DeviceOf(const Arguments& arguments) {
  const std::string name = arguments.Text("--device");
  // Float32 activations are the processor's.
  return FindDevice(name == "auto" && arguments.Has("--exact") ? "cpu" : name);
}

uint32_t RanksOf(const Arguments& arguments) {
  return arguments.Has("--tp") ? static_cast<uint32_t>(arguments.Integer("--tp")) : MpiRanks();
}

Result<int32_t> GpuLayersOf(const Arguments& arguments) {
  const std::string text = arguments.Text("--gpu-layers");
  if (text == "auto") return -1;
  int32_t layers = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), layers);
  if (error != std::errc() || end != text.data() + text.size() || layers < 0) {
    return Error(Code::kInvalid, "--gpu-layers takes auto or a number of layers, not \"{}\"",
                 text.substr(0, 64));
  }
  return layers;
}

Result<ModelOptions> LoadingOf(const Arguments& arguments) {
  ModelOptions options;
  options.repack = !arguments.Has("--no-repack");
  WRING_ASSIGN(options.device, DeviceOf(arguments));
  options.ranks = RanksOf(arguments);
  WRING_ASSIGN(options.gpu_layers, GpuLayersOf(arguments));
  if (options.gpu_layers >= 0 && options.device->kind() == DeviceKind::kHost) {
    return Error(Code::kInvalid,
                 "--gpu-layers needs a GPU, and --device cpu computes: leave it out");
  }
  options.reduce = options.device->kind() != DeviceKind::kHost && !arguments.Has("--invariant");
  return options;
}

Result<CodecId> CacheOf(const Arguments& arguments) {
  const CodecId codec = CodecByName(arguments.Text("--kv"))->id;
  if (!arguments.Has("--exact")) return codec;
  if (arguments.Has("--kv") && codec != CodecId::kF32) {
    return Error(Code::kInvalid, "--exact keeps keys and values as float32: leave --kv {} out",
                 arguments.Text("--kv"));
  }
  return CodecId::kF32;
}

Result<std::unique_ptr<Model>> OpenModel(const Arguments& arguments, bool need_text) {
  WRING_ASSIGN(const std::string path, FindModel(arguments.Text("MODEL")));
  WRING_ASSIGN(ModelOptions options, LoadingOf(arguments));
  options.threads = static_cast<uint32_t>(arguments.Integer("--threads"));
  options.need_text = need_text;
  Bar bar;
  return Model::Open(path, options, &bar);
}

Result<Loaded> LoadModel(const Arguments& arguments, bool need_text) {
  Loaded loaded;
  WRING_ASSIGN(loaded.session.kv_codec, CacheOf(arguments));
  WRING_ASSIGN(loaded.model, OpenModel(arguments, need_text));
  loaded.session.exact = arguments.Has("--exact");
  loaded.session.invariant = arguments.Has("--invariant");
  return loaded;
}

Result<std::vector<int32_t>> ReadIds(const std::string& path) {
  WRING_ASSIGN(const auto file, MappedFile::Open(path));
  const auto bytes = file->bytes();
  if (bytes.size() % sizeof(int32_t) != 0) {
    return Error(Code::kInvalid,
                 "{}: {} bytes are no whole number of int32 token ids: write it again", path,
                 bytes.size());
  }
  std::vector<int32_t> ids(bytes.size() / sizeof(int32_t));
  std::memcpy(ids.data(), bytes.data(), bytes.size());
  return ids;
}

}  // namespace wring::cli
