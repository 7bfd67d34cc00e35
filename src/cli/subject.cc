#include "cli/subject.h"

#include <algorithm>
#include <map>

#include "base/thread_pool.h"
#include "bench/machine.h"
#include "bench/random_blocks.h"
#include "bench/random_model.h"
#include "cli/models.h"
#include "engine/outline.h"
#include "formats/printable.h"
#include "tensor/devices.h"

namespace wring::cli {

std::string TypesOf(const analyze::Subject& subject) {
  std::map<std::string_view, uint64_t> weights;
  for (size_t i = 0; i < subject.decls.size(); ++i) {
    if (subject.formats[i] != nullptr)
      weights[subject.formats[i]->name()] +=
          uint64_t{subject.decls[i].rows} * subject.decls[i].cols;
  }
  std::vector<std::pair<uint64_t, std::string_view>> sorted;
  sorted.reserve(weights.size());
  for (const auto& [name, count] : weights) sorted.emplace_back(count, name);
  std::sort(sorted.rbegin(), sorted.rend());
  std::string text;
  for (const auto& [count, name] : sorted)
    text += fmt::format("{}{}", text.empty() ? "" : ", ", name);
  return text;
}

Result<analyze::Subject> SubjectOf(const Arguments& a, const std::string& weights) {
  analyze::Subject m;
  if (a.Has("--shape")) {
    WRING_ASSIGN(const auto shape, bench::ParseShape(a.Text("--shape")));
    m.name = shape.name;
    m.spec = shape.spec;
    m.decls = WeightsOf(m.spec, ConfigView::Naming::kHuggingFace);
    for (const WeightDecl& d : m.decls)
      m.formats.push_back(IsMatrix(d.ref.role) ? shape.format : nullptr);
  } else {
    WRING_ASSIGN(const std::string path, FindModel(a.Text("MODEL")));
    WRING_ASSIGN(Outline outline, OutlineOf(path));
    WRING_ASSIGN(m.formats, FormatsOf(outline));
    m.name = Printable(std::filesystem::path(path).filename().string(), 96);
    m.spec = outline.spec;
    m.decls = std::move(outline.source.weights);
  }
  if (!weights.empty()) {
    WRING_ASSIGN(const WeightFormat* format, bench::FormatByName(weights));
    for (size_t i = 0; i < m.decls.size(); ++i) {
      if (m.formats[i] == nullptr) continue;
      if (m.decls[i].cols % format->block_cols() != 0) {
        return Error(
            Code::kInvalid,
            "{} has rows of {} columns, no whole blocks of {} ({}): choose another --weights",
            m.name, m.decls[i].cols, format->block_cols(), format->name());
      }
      m.formats[i] = format;
    }
  }
  return m;
}

uint32_t ThreadsOf(int64_t asked) {
  return static_cast<uint32_t>(asked != 0 ? asked : static_cast<int64_t>(DefaultThreads()));
}

namespace {

std::filesystem::path MachineFile(std::string name) {
  for (char& c : name) c = std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '-';
  return std::filesystem::path(CacheFolder()) / "machines" / (name + ".json");
}

Result<analyze::Hardware> Kept(const std::filesystem::path& file, const std::string& what,
                               const std::string& options) {
  std::error_code ignored;
  if (std::filesystem::exists(file, ignored)) return analyze::FindHardware(file.string());
  return Error(Code::kInvalid,
               "{} not calibrated: run wring analyze calibrate {} first, which takes a minute",
               what, options);
}

}  // namespace

std::filesystem::path CalibrationFile(uint32_t threads) {
  const bench::Machine machine = bench::ThisMachine();
  return MachineFile(fmt::format("{}-{}-{}", machine.cpu, machine.isa, threads));
}

std::filesystem::path CalibrationFile(const Device& gpu) {
  return MachineFile(std::string(gpu.name()));
}

Result<analyze::Hardware> Calibrated(uint32_t threads) {
  return Kept(CalibrationFile(threads), fmt::format("this machine with {} threads is", threads),
              fmt::format("--threads {}", threads));
}

Result<analyze::Hardware> Calibrated(const Device& gpu) {
  return Kept(CalibrationFile(gpu), fmt::format("{} is", gpu.name()), "--device cuda");
}

Result<Device*> GpuOf(const Arguments& arguments) {
  WRING_ASSIGN(Device* const device, FindDevice(arguments.Text("--device")));
  return device->kind() == DeviceKind::kHost ? nullptr : device;
}

}  // namespace wring::cli
