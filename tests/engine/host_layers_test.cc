// Which layers stay on the processor when a GPU has too little memory.
#include "engine/host_layers.h"

#include <gtest/gtest.h>

#include "bench/random_model.h"
#include "model/arch/architecture.h"

namespace wring {
namespace {

// A GPU by name, with so much memory free.
class SmallGpu : public Device {
 public:
  explicit SmallGpu(uint64_t free) : free_(free) {}
  DeviceKind kind() const override { return DeviceKind::kCuda; }
  std::string_view name() const override { return "small"; }
  Result<Buffer> Allocate(size_t bytes) override { return HostDevice().Allocate(bytes); }
  void Free(std::byte* data, size_t bytes) override { HostDevice().Free(data, bytes); }
  Status CopyIn(Buffer& to, size_t offset, std::span<const std::byte> from) override {
    return HostDevice().CopyIn(to, offset, from);
  }
  Status CopyOut(std::span<std::byte> to, const Buffer& from, size_t offset) override {
    return HostDevice().CopyOut(to, from, offset);
  }
  void CopyWithin(std::byte* to, const std::byte* from, size_t bytes) override {
    HostDevice().CopyWithin(to, from, bytes);
  }
  DeviceMemory memory() const override {
    DeviceMemory m;
    m.total = m.free = free_;
    return m;
  }

 private:
  uint64_t free_;
};

class HostLayersTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto shape = bench::ParseShape("llama-7b:Q8_0");
    ASSERT_TRUE(shape.ok()) << shape.status().message();
    spec_ = shape->spec;
    source_.file = &file_;  // without tensors: a byte a weight
    source_.weights = WeightsOf(spec_, ConfigView::Naming::kHuggingFace);
    source_.what = "llama-7b";
  }
  Result<uint32_t> Of(uint64_t free, int32_t gpu_layers = -1, uint64_t pool = 0) const {
    return HostLayers(spec_, source_, SmallGpu(free), gpu_layers, pool);
  }

  static constexpr uint64_t kGiB = uint64_t{1} << 30;
  ModelSpec spec_;
  TensorFile file_;
  Weights::Source source_;
};

TEST_F(HostLayersTest, AllGoToAGpuThatHoldsThemBesideTheCache) {
  EXPECT_EQ(*Of(80 * kGiB), 0U);
  EXPECT_EQ(*Of(80 * kGiB, -1, 64 * kGiB), 0U);
}

TEST_F(HostLayersTest, ALargeCacheLeavesRoomForFewerLayers) {
  const uint32_t moderate = *Of(10 * kGiB);
  const uint32_t large = *Of(10 * kGiB, -1, 16 * kGiB);
  EXPECT_LT(moderate, large);
  // 32 layers of 193 MiB with 512 MiB of the cache each, beside 1.2 GiB for the model's own and a step's values.
  EXPECT_EQ(spec_.layers - large, 12U);
  EXPECT_GT(spec_.layers - *Of(10 * kGiB, -1, kGiB), spec_.layers - moderate);
}

TEST_F(HostLayersTest, AGpuWithoutRoomForOneLayerIsRefusedWithWhatItNeeds) {
  const auto none = Of(kGiB);
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), Code::kLimit);
  EXPECT_NE(none.status().message().find("use --device cpu"), std::string::npos);
  EXPECT_FALSE(Of(80 * kGiB, 0).ok());
  EXPECT_EQ(*Of(kGiB, 3), 29U);  // asked for: not judged
}

}  // namespace
}  // namespace wring
