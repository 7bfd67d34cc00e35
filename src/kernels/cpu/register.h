// How a kernel source hands its per-target functions to the table of an instruction set: each source
// defines FillX(Kernels&) in every target's namespace and WRING_DEFINE_REGISTER(X) once.
#pragma once

#include "kernels/cpu/isa.h"

namespace wring::cpu {

void RegisterElementwise(Isa isa, Kernels& k);
void RegisterAttend(Isa isa, Kernels& k);
void RegisterLinearPlain(Isa isa, Kernels& k);
void RegisterLinearSimple(Isa isa, Kernels& k);
void RegisterLinearK(Isa isa, Kernels& k);
void RegisterLinearSmallK(Isa isa, Kernels& k);
void RegisterLinearTable(Isa isa, Kernels& k);
void RegisterLinearCheckpoint(Isa isa, Kernels& k);

}  // namespace wring::cpu

#if defined(__x86_64__)
#define WRING_DEFINE_REGISTER(X)          \
  namespace wring::cpu {                  \
  void Register##X(Isa isa, Kernels& k) { \
    if (isa == Isa::kAvx512) {            \
      N_AVX3_DL::Fill##X(k);              \
    } else {                              \
      N_AVX2::Fill##X(k);                 \
    }                                     \
  }                                       \
  }
#else
#define WRING_DEFINE_REGISTER(X)                            \
  namespace wring::cpu {                                    \
  void Register##X(Isa, Kernels& k) { N_NEON::Fill##X(k); } \
  }
#endif
