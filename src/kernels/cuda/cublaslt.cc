#include "kernels/cuda/cublaslt.h"

#include <cuda_runtime.h>
#include <dlfcn.h>

#include <cstdlib>
#include <map>
#include <tuple>
#include <vector>

namespace wring::cuda {
namespace {

// The part of cuBLASLt's C interface (CUDA 12 and 13) that is used; numbers are its enumerators.
using Handle = void*;
using Opaque = void*;
struct Algorithm {
  uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
constexpr int kF32 = 0, kF16 = 2, kE4M3 = 28;  // cudaDataType
constexpr int kCompute32F = 68;                // cublasComputeType_t
constexpr int kTransA = 3, kEpilogue = 7, kBiasPointer = 8;
constexpr int kScalePointerA = 17, kScalePointerB = 18, kScaleModeA = 31, kScaleModeB = 32;
constexpr int32_t kScaleOf128 = 4;  // columns, float32
constexpr size_t kFloat8Version = 120900;
constexpr int32_t kTranspose = 1;
constexpr uint32_t kEpilogueBias = 4;
constexpr int kMaxWorkspace = 1;
constexpr size_t kWorkspaceBytes = 64 << 20;

struct Api {
  size_t (*version)();
  int (*create)(Handle*);
  int (*destroy)(Handle);
  int (*desc_create)(Opaque*, int compute, int scale);
  int (*desc_destroy)(Opaque);
  int (*desc_set)(Opaque, int attribute, const void*, size_t);
  int (*layout_create)(Opaque*, int type, uint64_t rows, uint64_t cols, int64_t ld);
  int (*layout_destroy)(Opaque);
  int (*preference_create)(Opaque*);
  int (*preference_destroy)(Opaque);
  int (*preference_set)(Opaque, int attribute, const void*, size_t);
  int (*heuristic)(Handle, Opaque, Opaque, Opaque, Opaque, Opaque, Opaque, int, Heuristic*, int*);
  int (*matmul)(Handle, Opaque, const void*, const void*, Opaque, const void*, Opaque, const void*,
                const void*, Opaque, void*, Opaque, const Algorithm*, void*, size_t, CUstream_st*);
};

void* OpenLibrary() {
  std::vector<std::string> names;
  if (const char* path = std::getenv("WRING_CUBLASLT")) names.emplace_back(path);
  for (const char* soname : {"libcublasLt.so.13", "libcublasLt.so.12"}) {
    names.emplace_back(soname);
    names.push_back(std::string("/usr/local/cuda/lib64/") + soname);
  }
  for (const auto& name : names) {
    if (void* library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
  }
  return nullptr;
}

}  // namespace

struct VendorGemm::State {
  Api api;
  Handle handle = nullptr;
  void* workspace = nullptr;
  bool float8 = false;
  struct Plan {
    Opaque desc = nullptr, w = nullptr, x = nullptr, y = nullptr;
    Heuristic best;
  };
  using Key = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, bool, bool,
                         bool, bool>;
  std::map<Key, Plan> plans;

  ~State() {
    for (auto& [key, p] : plans) {
      for (Opaque layout : {p.w, p.x, p.y}) api.layout_destroy(layout);
      api.desc_destroy(p.desc);
    }
    if (handle != nullptr) api.destroy(handle);
    if (workspace != nullptr) cudaFree(workspace);
  }

  static Status Failed(const char* what, int code) {
    return Error(Code::kInternal,
                 "cuBLASLt failed ({} gave {}): run with --invariant, which does without", what,
                 code);
  }

  Status SetScales(const Plan& plan, const Product& p) const {
    int e = api.desc_set(plan.desc, kScalePointerA, &p.w_scales, sizeof p.w_scales);
    if (e == 0) e = api.desc_set(plan.desc, kScalePointerB, &p.x_scales, sizeof p.x_scales);
    return e != 0 ? Failed("SCALE_POINTER", e) : Status();
  }

  Result<Plan*> PlanOf(const Product& p) {
    const bool float8 = p.x_scales != nullptr;
    const Key key = {p.rows, p.outputs,           p.inputs, p.ldx, p.ldw, p.ldy, p.bias != nullptr,
                     p.add,  p.half_y != nullptr, float8};
    if (const auto it = plans.find(key); it != plans.end()) return &it->second;
    Plan plan;
    if (int e = api.desc_create(&plan.desc, kCompute32F, kF32))
      return Failed("MatmulDescCreate", e);
    if (int e = api.desc_set(plan.desc, kTransA, &kTranspose, sizeof kTranspose))
      return Failed("TRANSA", e);
    if (p.bias != nullptr) {  // of y's type
      if (int e = api.desc_set(plan.desc, kEpilogue, &kEpilogueBias, sizeof kEpilogueBias))
        return Failed("EPILOGUE", e);
      if (int e = api.desc_set(plan.desc, kBiasPointer, &p.bias, sizeof p.bias))
        return Failed("BIAS_POINTER", e);
    }
    if (float8) {
      for (const int mode : {kScaleModeA, kScaleModeB}) {
        if (int e = api.desc_set(plan.desc, mode, &kScaleOf128, sizeof kScaleOf128))
          return Failed("SCALE_MODE", e);
      }
      WRING_TRY(SetScales(plan, p));
    }
    // Its matrices are column-major: [inputs x outputs] transposed, [inputs x rows], [outputs x rows].
    const int type = float8 ? kE4M3 : kF16;
    int e = api.layout_create(&plan.w, type, p.inputs, p.outputs, p.ldw);
    if (e == 0) e = api.layout_create(&plan.x, type, p.inputs, p.rows, p.ldx);
    if (e == 0)
      e = api.layout_create(&plan.y, p.half_y != nullptr ? kF16 : kF32, p.outputs, p.rows, p.ldy);
    if (e != 0) return Failed("MatrixLayoutCreate", e);
    Opaque preference = nullptr;
    if (int f = api.preference_create(&preference)) return Failed("MatmulPreferenceCreate", f);
    const size_t bytes = kWorkspaceBytes;
    e = api.preference_set(preference, kMaxWorkspace, &bytes, sizeof bytes);
    int found = 0;
    if (e == 0) {
      e = api.heuristic(handle, plan.desc, plan.w, plan.x, plan.y, plan.y, preference, 1,
                        &plan.best, &found);
    }
    api.preference_destroy(preference);
    if (e != 0 || found == 0) return Failed("MatmulAlgoGetHeuristic", e);
    return &plans.emplace(key, plan).first->second;
  }
};

VendorGemm::VendorGemm(std::unique_ptr<State> state) : state_(std::move(state)) {}
VendorGemm::~VendorGemm() = default;

Result<std::unique_ptr<VendorGemm>> VendorGemm::Create() {
  void* library = OpenLibrary();
  if (library == nullptr) {
    return Error(
        Code::kNotFound,
        "libcublasLt.so.13 was not found: install the CUDA toolkit's cuBLAS, name the file in "
        "WRING_CUBLASLT, or run with --invariant, which does without");
  }
  auto state = std::make_unique<State>();
  Api& api = state->api;
  bool all = true;
  const auto get = [&](auto* to, const char* name) {
    *reinterpret_cast<void**>(to) = dlsym(library, name);
    all &= *reinterpret_cast<void**>(to) != nullptr;
  };
  get(&api.version, "cublasLtGetVersion");
  get(&api.create, "cublasLtCreate");
  get(&api.destroy, "cublasLtDestroy");
  get(&api.desc_create, "cublasLtMatmulDescCreate");
  get(&api.desc_destroy, "cublasLtMatmulDescDestroy");
  get(&api.desc_set, "cublasLtMatmulDescSetAttribute");
  get(&api.layout_create, "cublasLtMatrixLayoutCreate");
  get(&api.layout_destroy, "cublasLtMatrixLayoutDestroy");
  get(&api.preference_create, "cublasLtMatmulPreferenceCreate");
  get(&api.preference_destroy, "cublasLtMatmulPreferenceDestroy");
  get(&api.preference_set, "cublasLtMatmulPreferenceSetAttribute");
  get(&api.heuristic, "cublasLtMatmulAlgoGetHeuristic");
  get(&api.matmul, "cublasLtMatmul");
  if (!all) {
    return Error(
        Code::kUnsupported,
        "this libcublasLt lacks a function: use CUDA 12's or 13's, or run with --invariant");
  }
  if (int e = api.create(&state->handle)) return State::Failed("Create", e);
  state->float8 = HasWgmma() && api.version() >= kFloat8Version;
  if (cudaMalloc(&state->workspace, kWorkspaceBytes) != cudaSuccess) {
    return Error(Code::kLimit,
                 "the GPU has no 64 MiB left for matrix products: free some, or ask "
                 "for a smaller cache");
  }
  return std::unique_ptr<VendorGemm>(new VendorGemm(std::move(state)));
}

bool VendorGemm::float8() const { return state_->float8; }

Status VendorGemm::Run(Launcher& l, const Product& p) {
  State& s = *state_;
  WRING_ASSIGN(State::Plan * plan, s.PlanOf(p));
  if (p.bias != nullptr) s.api.desc_set(plan->desc, kBiasPointer, &p.bias, sizeof p.bias);
  if (p.x_scales != nullptr) WRING_TRY(s.SetScales(*plan, p));
  const float beta = p.add ? 1 : 0;
  void* y = p.half_y != nullptr ? static_cast<void*>(p.half_y) : static_cast<void*>(p.y);
  const int e =
      s.api.matmul(s.handle, plan->desc, &p.alpha, p.w, plan->w, p.x, plan->x, &beta, y, plan->y, y,
                   plan->y, &plan->best.algorithm, s.workspace, kWorkspaceBytes, l.stream);
  if (e != 0) return State::Failed("Matmul", e);
  return {};
}

}  // namespace wring::cuda
