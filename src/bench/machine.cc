#include "bench/machine.h"

#include <fstream>
#include <regex>

#include "base/thread_pool.h"
#include "bench/commit.h"
#include "kernels/cpu/isa.h"

namespace wring::bench {
namespace {

// The value of the first line "key : value" of a file of the kernel's; empty when there is none.
std::string Field(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    const size_t colon = line.find(':');
    const size_t begin =
        colon == std::string::npos ? colon : line.find_first_not_of(" \t", colon + 1);
    return begin == std::string::npos ? std::string() : line.substr(begin);
  }
  return "";
}

}  // namespace

Machine ThisMachine() {
  Machine machine;
  machine.cpu = Field("/proc/cpuinfo", "model name");
  if (machine.cpu.empty()) machine.cpu = Field("/proc/cpuinfo", "CPU part");
  if (machine.cpu.empty()) machine.cpu = "unknown";
  machine.isa = cpu::SupportedIsas().empty() ? "none" : cpu::BestKernels().name;
  machine.processors = static_cast<uint32_t>(DefaultThreads());
  return machine;
}

std::string NvidiaDriver() {
  std::ifstream file("/proc/driver/nvidia/version");
  std::string line;
  std::getline(file, line);
  std::smatch version;
  return std::regex_search(line, version, std::regex(R"(\s(\d+\.\d+(\.\d+)?)\s)"))
             ? version[1].str()
             : "unknown";
}

std::string_view Commit() { return kCommit; }

Status CheckMemory(uint64_t bytes, std::string_view what) {
  const uint64_t available =
      std::strtoull(Field("/proc/meminfo", "MemAvailable").c_str(), nullptr, 10) << 10;
  if (available == 0 || bytes <= available) return {};
  return Error(Code::kLimit,
               "{} needs {:.1f} GiB and the machine has {:.1f} left: close other programs", what,
               static_cast<double>(bytes) / (1 << 30), static_cast<double>(available) / (1 << 30));
}

}  // namespace wring::bench
