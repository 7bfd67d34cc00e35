// CudaExecutor: steps recorded as CUDA graphs.
#include <cuda_runtime.h>

#include "model/cuda/cuda_executor.h"

namespace wring {
namespace {

constexpr size_t kMostGraphs = 256;

}  // namespace

void CudaExecutor::DropGraphs() {
  for (const auto& [key, graph] : graphs_) cudaGraphExecDestroy(graph);
  graphs_.clear();
}

Result<CUgraphExec_st*> CudaExecutor::Record(const std::function<Status()>& launch) {
  WRING_TRY(CudaStatus(cudaStreamBeginCapture(device_.stream(), cudaStreamCaptureModeThreadLocal),
                       "recording a step"));
  const Status launched = launch();
  cudaGraph_t graph = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(device_.stream(), &graph);
  if (!launched.ok()) {
    if (graph != nullptr) cudaGraphDestroy(graph);
    return launched;
  }
  WRING_TRY(CudaStatus(ended, "recording a step"));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t made = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  WRING_TRY(CudaStatus(made, "preparing a step"));
  return executable;
}

// What a launch depends on: shapes, and where its tables are.
Result<CUgraphExec_st*> CudaExecutor::GraphOfStep() {
  GraphKey key = {rows_,
                  selected_,
                  step_.fused ? 1U : 0U,
                  static_cast<uint32_t>(at_.offsets[0]),
                  static_cast<uint32_t>(at_.offsets[1]),
                  static_cast<uint32_t>(at_.offsets[2])};
  for (const PlanAt& p : at_.plans) {
    key.push_back(static_cast<uint32_t>(p.codec));
    key.push_back(p.grid);
    key.push_back(p.most);
    key.push_back(p.chunk_blocks);
    key.push_back(p.wide_grid);
  }
  auto it = graphs_.find(key);
  if (it == graphs_.end()) {
    if (graphs_.size() >= kMostGraphs) DropGraphs();
    WRING_ASSIGN(CUgraphExec_st * graph, Record([this] { return Launch(); }));
    it = graphs_.emplace(key, graph).first;
  }
  return it->second;
}

}  // namespace wring
