#include "model/cuda/random_weights.h"

#include <algorithm>

#include "kernels/cuda/kernels.h"
#include "model/shard.h"

namespace wring {

Result<std::unique_ptr<Weights>> RandomWeights::Make(const ModelSpec& spec, FormatId format,
                                                     CudaDevice& device) {
  if (cuda::LinearOf(format).gemv == nullptr) {
    return Error(Code::kUnsupported,
                 "{} has no GPU kernel: use F16 or a packed type as Q8_0, Q4_K or IQ4_XS",
                 Format(format).name());
  }
  std::unique_ptr<Weights> w(new Weights());
  const size_t places = size_t{kWeightRoles} * spec.layers;
  w->layers_ = spec.layers;
  w->matrices_.resize(places);
  w->fragments_.resize(places);
  w->vectors_.resize(places);
  const auto decls = ShardWeights(WeightsOf(spec, ConfigView::Naming::kHuggingFace), spec);
  uint64_t total = 0;
  uint32_t longest = 0;
  for (const WeightDecl& d : decls) {
    if (!IsMatrix(d.ref.role)) {
      longest = std::max(longest, d.rows);
      continue;
    }
    FragmentMatrix& f = w->fragments_[w->Index(d.ref)];
    f = {format, d.rows, d.cols, nullptr};
    total += RoundUp<uint64_t>(f.bytes(), 256);
  }
  WRING_ASSIGN(w->matrix_memory_, device.Allocate(total));
  // All vectors are the same ones.
  const std::vector<float> ones(RoundUp(longest, 16U), 1.0F);
  WRING_ASSIGN(w->vector_memory_, device.Allocate(ones.size() * sizeof(float)));
  WRING_TRY(device.CopyIn(w->vector_memory_, 0, std::as_bytes(std::span(ones))));

  cuda::Launcher launcher;
  launcher.stream = device.stream();
  launcher.multiprocessors = device.multiprocessors();
  std::byte* at = w->matrix_memory_.data();
  for (const WeightDecl& d : decls) {
    w->parameters_ += uint64_t{d.rows} * d.cols;
    if (!IsMatrix(d.ref.role)) {
      w->vectors_[w->Index(d.ref)] = w->vector_memory_.as<float>();
      continue;
    }
    FragmentMatrix& f = w->fragments_[w->Index(d.ref)];
    f.data = at;
    cuda::FillRandom(launcher, format, at, f.bytes(),
                     static_cast<uint64_t>(at - w->matrix_memory_.data()));
    at += RoundUp<uint64_t>(f.bytes(), 256);
    PackedMatrix& m = w->matrices_[w->Index(d.ref)];
    m.format = &Format(format);
    m.rows = d.rows;
    m.cols = d.cols;
    w->matrix_bytes_ += f.bytes();
    w->bytes_per_token_ += f.bytes() / d.rows * Weights::RowsRead(spec, d);
  }
  w->ShareHead(spec);
  WRING_TRY(launcher.status());
  WRING_TRY(device.Synchronize());
  return w;
}

}  // namespace wring
