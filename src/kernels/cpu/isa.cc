#include "kernels/cpu/isa.h"

#include <cstdlib>
#include <map>

#include "kernels/cpu/register.h"

namespace wring::cpu {
namespace {

std::vector<Isa> Detect() {
  std::vector<Isa> found;
#if defined(__x86_64__)
  __builtin_cpu_init();
  // Highway's AVX3_DL target is compiled with all of these.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vnni") &&
      __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vbmi2") &&
      __builtin_cpu_supports("avx512bitalg") && __builtin_cpu_supports("avx512vpopcntdq") &&
      __builtin_cpu_supports("gfni") && __builtin_cpu_supports("vpclmulqdq")) {
    found.push_back(Isa::kAvx512);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("bmi2")) {
    found.push_back(Isa::kAvx2);
  }
#else
  found.push_back(Isa::kNeon);
#endif
  return found;
}

Kernels Fill(Isa isa) {
  Kernels k;
  k.isa = isa;
  k.name = IsaName(isa);
  RegisterElementwise(isa, k);
  RegisterAttend(isa, k);
  RegisterLinearPlain(isa, k);
  RegisterLinearSimple(isa, k);
  RegisterLinearK(isa, k);
  RegisterLinearSmallK(isa, k);
  RegisterLinearTable(isa, k);
  RegisterLinearCheckpoint(isa, k);
  return k;
}

}  // namespace

const std::vector<Isa>& SupportedIsas() {
  static const std::vector<Isa> found = Detect();
  return found;
}

std::string_view IsaName(Isa isa) {
  switch (isa) {
    case Isa::kAvx2: return "avx2";
    case Isa::kAvx512: return "avx512";
    case Isa::kNeon: return "neon";
  }
  return "";
}

const Kernels& KernelsFor(Isa isa) {
  static const std::map<Isa, Kernels> tables = [] {
    std::map<Isa, Kernels> all;
    for (Isa supported : SupportedIsas()) all.emplace(supported, Fill(supported));
    return all;
  }();
  return tables.at(isa);
}

const Kernels& BestKernels() {
  if (const char* wanted = std::getenv("WRING_ISA")) {
    for (Isa isa : SupportedIsas()) {
      if (IsaName(isa) == wanted) return KernelsFor(isa);
    }
  }
  return KernelsFor(SupportedIsas().front());
}

}  // namespace wring::cpu
