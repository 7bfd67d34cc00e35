#include "kernels/registry.h"

#include <gtest/gtest.h>

#include "kernels/cpu/isa.h"

namespace wring {
namespace {

TEST(RegistryTest, EveryFormatHasLinearKernelsOnEveryInstructionSet) {
  for (auto isa : cpu::SupportedIsas()) {
    for (size_t f = 0; f < kFormatCount; ++f) {
      KernelEntry key;
      key.device = fmt::format("cpu/{}", cpu::IsaName(isa));
      key.op = OpKind::kLinear;
      key.format = static_cast<FormatId>(f);
      key.arithmetic = Arithmetic::kF32;
      EXPECT_TRUE(KernelRegistry::Get().Find(key).ok()) << ToString(key);
    }
  }
}

TEST(RegistryTest, AMissingKernelIsAnErrorThatListsWhatExists) {
  KernelEntry key;
  key.device = fmt::format("cpu/{}", cpu::IsaName(cpu::SupportedIsas().front()));
  key.op = OpKind::kLinear;
  key.format = FormatId::kF16;
  key.arithmetic = Arithmetic::kInt8;  // plain weights have no int8 kernel
  const auto found = KernelRegistry::Get().Find(key);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().code(), Code::kUnsupported);
  EXPECT_NE(found.status().message().find("weights F16, float32"), std::string::npos)
      << found.status().message();
}

// What a product costs in instructions beside plain dot products: formats with a scale for 16 columns more than those with
// one for 32, and codes of 8 bits more where they must be made signed.
TEST(RegistryTest, EveryInt8KernelSaysItsEffort) {
  for (auto isa : cpu::SupportedIsas()) {
    const cpu::Kernels& k = cpu::KernelsFor(isa);
    const auto effort = [&](FormatId f) { return k.linear[static_cast<size_t>(f)].int8_effort; };
    for (const cpu::LinearKernels& l : k.linear) {
      if (l.int8 == nullptr) {
        EXPECT_EQ(l.int8_effort, 0);
        continue;
      }
      EXPECT_GT(l.int8_effort, 0.5);
      EXPECT_LT(l.int8_effort, 3);
    }
    EXPECT_GT(effort(FormatId::kQ6_K), effort(FormatId::kQ5_0));
    if (isa == cpu::Isa::kAvx2) {
      EXPECT_GT(effort(FormatId::kQ8_0), 1.5 * effort(FormatId::kQ4_0));
    }
  }
}

TEST(RegistryTest, BytesPerWeightAreThePackedOnes) {
  for (const auto& e : KernelRegistry::Get().entries()) {
    if (e.op != OpKind::kLinear || e.device == "cuda") continue;  // fragments: quant/fragments
    const auto& info = Info(Format(*e.format).stored());
    const double stored = static_cast<double>(info.bytes) / info.block;
    EXPECT_GE(e.bytes_per_weight, stored);
    EXPECT_LE(e.bytes_per_weight, 1.03 * stored) << ToString(e);
  }
}

}  // namespace
}  // namespace wring
