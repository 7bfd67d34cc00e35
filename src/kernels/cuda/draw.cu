// A block a slot. What top-k, top-p and min-p leave is a beginning of the candidates in the order (larger logit, smaller
// id), so each is one cut in that order: found digit by digit of the logits' bits, 8 at a time, with counts and integer
// masses, which add in any order to the same.
#include "base/rng.h"
#include "kernels/cuda/draw.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/mma.cuh"

namespace wring::cuda {
namespace {

constexpr uint32_t kThreads = 1024;
constexpr uint32_t kDigits = 256;
constexpr int kNoTokenId = -1, kNotFiniteId = -2;

// Larger logits have larger keys.
__device__ __forceinline__ uint32_t KeyOf(float v) {
  const uint32_t bits = __float_as_uint(v + 0.F);  // -0 is 0
  return bits ^ (bits >> 31 != 0 ? 0xffffffffU : 0x80000000U);
}

// Probability relative to the best, in 2^-40: 2^17 of them stay below 2^57.
__device__ __forceinline__ uint64_t MassOf(float logit, float best) {
  return static_cast<uint64_t>(expf(logit - best) * 1099511627776.F);
}

// Candidates up to and including (key, id) in the order.
struct Cut {
  uint32_t key = 0;
  uint32_t id = 0xffffffffU;
};
__device__ __forceinline__ bool Keeps(const Cut& cut, uint32_t key, uint32_t id) {
  return key > cut.key || (key == cut.key && id <= cut.id);
}

struct Shared {
  uint32_t counts[kDigits];
  unsigned long long masses[kDigits];
  uint32_t chosen;
  uint64_t left;  // count or mass still to be kept below the chosen digits
  uint32_t warp_counts[kThreads / 32];
  double best_score[kThreads / 32];
  uint32_t best_id[kThreads / 32];
};

class Slot {
 public:
  __device__ Slot(const DrawArg& d, uint32_t vocab, Shared& s) : d_(d), vocab_(vocab), s_(s) {}

  __device__ void Edit() {
    for (uint32_t i = threadIdx.x; i < d_.edit_count; i += kThreads) {
      const EditArg e = d_.edits[i];
      float v = d_.logits[e.id] + e.bias;
      if (e.count > 0) {
        v = v > 0 ? v / d_.repetition_penalty : v * d_.repetition_penalty;
        v -= d_.presence_penalty + d_.frequency_penalty * static_cast<float>(e.count);
      }
      d_.logits[e.id] = v;
    }
    __syncthreads();
    for (uint32_t i = threadIdx.x; i < vocab_; i += kThreads) {
      float v = d_.logits[i];
      if (d_.allowed != nullptr) {
        const bool in = i / 32 < d_.allowed_words && (d_.allowed[i / 32] >> (i % 32) & 1) != 0;
        if (!in) v = -INFINITY;
      }
      if (d_.temperature > 0) v /= d_.temperature;
      d_.logits[i] = v;
    }
    __syncthreads();
  }

  // The largest, the smallest id of equal ones.
  __device__ uint32_t Best() {
    double score = -INFINITY;
    uint32_t id = 0xffffffffU;
    for (uint32_t i = threadIdx.x; i < vocab_; i += kThreads) {
      const double v = d_.logits[i];
      if (v > score) {
        score = v;
        id = i;
      }
    }
    return LargestOf(score, id);
  }

  // The first `wanted` candidates of the order.
  __device__ Cut CutAtCount(uint32_t wanted) { return Select<false>({}, 0, wanted); }
  // The smallest beginning whose mass reaches top_p of the mass within `cut`.
  __device__ Cut CutAtMass(const Cut& cut, float best, float top_p) {
    if (threadIdx.x == 0) s_.left = 0;
    __syncthreads();
    uint64_t mass = 0;
    for (uint32_t i = threadIdx.x; i < vocab_; i += kThreads) {
      const float v = d_.logits[i];
      if (Keeps(cut, KeyOf(v), i)) mass += MassOf(v, best);
    }
    atomicAdd(reinterpret_cast<unsigned long long*>(&s_.left), mass);
    __syncthreads();
    const auto wanted =
        static_cast<uint64_t>(static_cast<double>(top_p) * static_cast<double>(s_.left));
    __syncthreads();
    return Select<true>(cut, best, wanted > 0 ? wanted : 1);
  }

  // A draw from the softmax of what the cut leaves: the largest of logit + Gumbel noise.
  // Few need their logarithms (engine/sampler.cc says why), and none whose logit is behind by more than the most noise.
  __device__ uint32_t Draw(const Cut& cut, float floor, uint32_t best) {
    constexpr double kMostNoise = 23;  // -log(-log(1 - 2^-33)) is 22.87
    uint32_t id = best;
    double score = d_.logits[best] + Noise(best);
    for (uint32_t i = threadIdx.x; i < vocab_; i += kThreads) {
      const float v = d_.logits[i];
      if (v < floor || v + kMostNoise < score || !Keeps(cut, KeyOf(v), i)) continue;
      const uint32_t word = Word(i);
      const double behind = (score - v) * 1.4426950408889634;
      if (behind > 0) {
        const int bits = 33 - (behind < 33 ? static_cast<int>(behind) : 33);
        if ((uint64_t{1} << 32) - word > uint64_t{1} << bits) continue;
      }
      const double now = v - log(-log(UniformFrom(word)));
      if (now > score) {
        score = now;
        id = i;
      }
    }
    return LargestOf(score, id);
  }

 private:
  __device__ uint32_t Word(uint32_t id) const {
    return Philox({d_.choice, d_.position, static_cast<uint32_t>(wring::Draw::kSample), id},
                  d_.seed)[0];
  }
  __device__ double Noise(uint32_t id) const { return -log(-log(UniformFrom(Word(id)))); }

  __device__ uint32_t LargestOf(double score, uint32_t id) {
    const auto take = [&](double other, uint32_t other_id) {
      if (other > score || (other == score && other_id < id)) {
        score = other;
        id = other_id;
      }
    };
#pragma unroll
    for (int bit = 16; bit > 0; bit /= 2) {
      const double other = __shfl_xor_sync(0xffffffffU, score, bit);
      take(other, __shfl_xor_sync(0xffffffffU, id, bit));
    }
    if (threadIdx.x % 32 == 0) {
      s_.best_score[threadIdx.x / 32] = score;
      s_.best_id[threadIdx.x / 32] = id;
    }
    __syncthreads();
    for (uint32_t w = 0; w < kThreads / 32; ++w) take(s_.best_score[w], s_.best_id[w]);
    __syncthreads();
    return id;
  }

  // Few digits are many values' first: a warp adds for each at once.
  template <bool kMass>
  __device__ void AddTogether(bool in, uint32_t digit, uint64_t mass) {
    uint32_t todo = __ballot_sync(0xffffffffU, in);
    while (todo != 0) {
      const uint32_t of = __shfl_sync(0xffffffffU, digit, __ffs(todo) - 1);
      const bool same = in && digit == of;
      const uint32_t together = __ballot_sync(0xffffffffU, same);
      uint64_t sum = same ? mass : 0;
      if (kMass) {
#pragma unroll
        for (int bit = 16; bit > 0; bit /= 2) sum += __shfl_xor_sync(0xffffffffU, sum, bit);
      }
      if (threadIdx.x % 32 == 0) {
        atomicAdd(&s_.counts[of], static_cast<uint32_t>(__popc(together)));
        if (kMass) atomicAdd(&s_.masses[of], sum);
      }
      todo &= ~together;
    }
  }

  // The shortest beginning of what `within` keeps that has `wanted` candidates (or mass); all of it when that is not
  // enough.
  template <bool kMass>
  __device__ Cut Select(const Cut& within, float best, uint64_t wanted) {
    uint32_t prefix = 0;
    uint64_t left = wanted;
    for (int shift = 24; shift >= 0; shift -= 8) {
      for (uint32_t i = threadIdx.x; i < kDigits; i += kThreads) {
        s_.counts[i] = 0;
        s_.masses[i] = 0;
      }
      __syncthreads();
      for (uint32_t base = 0; base < vocab_; base += kThreads) {
        const uint32_t i = base + threadIdx.x;
        const float v = i < vocab_ ? d_.logits[i] : -INFINITY;
        const uint32_t key = KeyOf(v);
        const bool above = shift == 24 || key >> (shift + 8) == prefix >> (shift + 8);
        const bool in = i < vocab_ && above && Keeps(within, key, i);
        const uint32_t digit = key >> shift & (kDigits - 1);
        const uint64_t mass = kMass && in ? MassOf(v, best) : 0;
        if (shift == 24) {
          AddTogether<kMass>(in, digit, mass);
        } else if (in) {
          atomicAdd(&s_.counts[digit], 1U);
          if (kMass) atomicAdd(&s_.masses[digit], mass);
        }
      }
      __syncthreads();
      if (threadIdx.x == 0) {
        int digit = kDigits - 1;
        for (; digit > 0; --digit) {
          const uint64_t here = kMass ? s_.masses[digit] : s_.counts[digit];
          if (s_.counts[digit] > 0 && here >= left) break;
          left -= here < left ? here : left;
        }
        s_.chosen = static_cast<uint32_t>(digit);
        s_.left = left;
      }
      __syncthreads();
      prefix |= s_.chosen << shift;
      left = s_.left;
      __syncthreads();
    }
    // Of equal ones the smallest ids.
    const uint32_t equal = s_.counts[prefix & (kDigits - 1)];
    uint64_t keep = left;
    if (kMass && equal > 0) {
      const uint64_t each = s_.masses[prefix & (kDigits - 1)] / equal;
      keep = each == 0 ? equal : (left + each - 1) / each;
    }
    Cut cut;
    cut.key = prefix;
    if (keep >= equal) return within.key == prefix ? within : cut;
    cut.id = IdOf(prefix, static_cast<uint32_t>(keep > 0 ? keep : 1));
    return cut;
  }

  // The `nth` id (from 1) among those with this key.
  __device__ uint32_t IdOf(uint32_t key, uint32_t nth) {
    uint32_t before = 0;
    for (uint32_t base = 0; base < vocab_; base += kThreads) {
      const uint32_t i = base + threadIdx.x;
      const bool equal = i < vocab_ && KeyOf(d_.logits[i]) == key;
      const uint32_t ballot = __ballot_sync(0xffffffffU, equal);
      if (threadIdx.x % 32 == 0) s_.warp_counts[threadIdx.x / 32] = __popc(ballot);
      __syncthreads();
      uint32_t at = before;
      for (uint32_t w = 0; w < threadIdx.x / 32; ++w) at += s_.warp_counts[w];
      at += __popc(ballot & ((2U << threadIdx.x % 32) - 1));
      if (equal && at == nth) s_.chosen = i;
      for (uint32_t w = 0; w < kThreads / 32; ++w) before += s_.warp_counts[w];
      __syncthreads();
      if (before >= nth) break;
    }
    return s_.chosen;
  }

  const DrawArg& d_;
  const uint32_t vocab_;
  Shared& s_;
};

__global__ void __launch_bounds__(kThreads) DrawKernel(const DrawArg* draws, uint32_t vocab) {
  __shared__ Shared shared;
  LetNextStart();
  WaitForPrevious();
  const DrawArg d = draws[blockIdx.x];
  const float first = d.logits[0];
  if (!isfinite(first)) {
    if (threadIdx.x == 0) *d.token = kNotFiniteId;
    return;
  }
  __syncthreads();
  Slot slot(d, vocab, shared);
  slot.Edit();
  const uint32_t best = slot.Best();
  int32_t token = kNoTokenId;
  if (best != 0xffffffffU) {
    token = static_cast<int32_t>(best);
    if (d.temperature > 0) {
      const float most = d.logits[best];
      Cut cut;
      if (d.top_k > 0 && d.top_k < vocab) cut = slot.CutAtCount(d.top_k);
      if (d.top_p < 1) cut = slot.CutAtMass(cut, most, d.top_p);
      const float floor = d.min_p > 0 ? most + logf(d.min_p) : -INFINITY;
      token = static_cast<int32_t>(slot.Draw(cut, floor, best));
    }
  }
  if (threadIdx.x == 0) *d.token = token;
}

}  // namespace

void DrawTokens(Launcher& l, const DrawArg* draws, uint32_t count, uint32_t vocab) {
  Launch(l, DrawKernel, count, kThreads, 0, draws, vocab);
}

}  // namespace wring::cuda
