#include "cli/session_options.h"

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

Result<ModelOptions> LoadingOf(const Arguments& arguments) {
  ModelOptions options;
  options.repack = !arguments.Has("--no-repack");
  WRING_ASSIGN(options.device, DeviceOf(arguments));
  options.ranks = RanksOf(arguments);
  options.reduce = options.device->kind() != DeviceKind::kHost && !arguments.Has("--invariant");
  return options;
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
  WRING_ASSIGN(loaded.model, OpenModel(arguments, need_text));
  loaded.session.exact = arguments.Has("--exact");
  loaded.session.invariant = arguments.Has("--invariant");
  loaded.session.kv_codec = CodecByName(arguments.Text("--kv"))->id;
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
