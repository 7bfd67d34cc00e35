// What GPUs sum and norm in each other's memory, beside sums on the host. Needs two of them.
#include "model/cuda/meeting.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>

#include "ranks/thread_link.h"
#include "tensor/half.h"

namespace wring {
namespace {

constexpr uint32_t kRanks = 2;
constexpr uint32_t kCols = 320;
constexpr uint32_t kInputs = 128;  // of a product that gives them
constexpr uint32_t kMaxRows = 600;
constexpr float kEps = 1e-5F;

std::vector<float> Numbers(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> v(count);
  for (float& x : v) x = F16ToF32(F32ToF16(normal(random)));
  return v;
}
std::vector<uint16_t> Halves(const std::vector<float>& v) {
  std::vector<uint16_t> halves;
  halves.reserve(v.size());
  for (float x : v) halves.push_back(F32ToF16(x));
  return halves;
}

// x [rows][inputs] times w [kCols][inputs].
std::vector<float> Product(const std::vector<float>& w, const std::vector<float>& x) {
  std::vector<float> y;
  const size_t inputs = w.size() / kCols;
  for (size_t row = 0; row < x.size() / inputs; ++row) {
    for (size_t out = 0; out < kCols; ++out) {
      double sum = 0;
      for (size_t i = 0; i < inputs; ++i) sum += double{w[out * inputs + i]} * x[row * inputs + i];
      y.push_back(static_cast<float>(sum));
    }
  }
  return y;
}

// What a step of some rows should leave.
struct Expected {
  std::vector<float> hidden, normed;
};
Expected Sum(const std::vector<float>& hidden, const std::vector<float>& a,
             const std::vector<float>& b, const std::vector<float>& weight) {
  Expected e;
  e.hidden.resize(a.size());
  e.normed.resize(a.size());
  for (size_t row = 0; row < a.size() / kCols; ++row) {
    double squares = 0;
    for (size_t i = row * kCols; i < (row + 1) * kCols; ++i) {
      e.hidden[i] = hidden[i] + a[i] + b[i];
      squares += double{e.hidden[i]} * e.hidden[i];
    }
    const double scale = 1 / std::sqrt(squares / kCols + kEps);
    for (size_t c = 0; c < kCols; ++c)
      e.normed[row * kCols + c] = static_cast<float>(e.hidden[row * kCols + c] * scale * weight[c]);
  }
  return e;
}

// One GPU and its memory, used by a thread of its own.
class Rank {
 public:
  Rank(CudaDevice* device, Link* link) : device_(*device), link_(*link) {}

  Status Prepare(const std::vector<float>& weight) {
    device_.Use();
    launcher_.stream = device_.stream();
    launcher_.multiprocessors = device_.multiprocessors();
    WRING_ASSIGN(hidden_, device_.Allocate(kMaxRows * kCols * sizeof(float)));
    WRING_ASSIGN(normed_, device_.Allocate(kMaxRows * kCols * 2));
    WRING_ASSIGN(weight_, device_.Allocate(kCols * sizeof(float)));
    WRING_TRY(device_.CopyIn(weight_, 0, std::as_bytes(std::span(weight))));
    Meeting::Memory memory;
    memory.hidden = hidden_.as<float>();
    memory.normed = normed_.as<cuda::Half>();
    memory.rows = kMaxRows;
    memory.ld = kCols;
    memory.partials = true;
    memory.sends = cuda::HasWgmma();
    WRING_ASSIGN(meeting_, Meeting::Create(device_, link_, memory));
    return {};
  }
  // The rows' product is computed already: `sums` of all rows.
  Status Large(const std::vector<float>& hidden, const std::vector<float>& sums, bool early,
               bool norms) {
    const auto rows = static_cast<uint32_t>(sums.size() / kCols);
    std::vector<float> before = hidden;
    const Range mine = meeting_->Share(rows);
    for (size_t i = size_t{mine.first} * kCols; early && i < size_t{mine.end()} * kCols; ++i)
      before[i] += sums[i];
    WRING_TRY(device_.CopyIn(hidden_, 0, std::as_bytes(std::span(before))));
    const auto halves = Halves(sums);
    for (size_t i = 0; i < halves.size(); i += kCols) {
      if (early && i >= size_t{mine.first} * kCols && i < size_t{mine.end()} * kCols) continue;
      WRING_TRY(CopyTo(meeting_->partial() + i, std::span(halves).subspan(i, kCols)));
    }
    if (early) {
      WRING_TRY(meeting_->Send(launcher_, rows));
      WRING_TRY(meeting_->Sent(launcher_));
    }
    return meeting_->SumNorm(launcher_, norms ? weight_.as<float>() : nullptr, kEps, rows, kCols,
                             early);
  }
  Status Rows(const std::vector<float>& values, bool norms) {
    WRING_TRY(device_.CopyIn(hidden_, 0, std::as_bytes(std::span(values))));
    const auto rows = static_cast<uint32_t>(values.size() / kCols);
    if (!meeting_->SumsRows(rows)) return meeting_->Sum(launcher_, hidden(), values.size());
    return meeting_->SumRows(launcher_, norms ? weight_.as<float>() : nullptr, kEps, rows, kCols,
                             /*sent=*/false);
  }
  bool sends() const { return meeting_->Sends(1) != nullptr; }
  // A product that sends its sums, of float16 weights, on top of `hidden` on one rank.
  Status Sent(const std::vector<float>& hidden, const std::vector<float>& w,
              const std::vector<float>& x, bool adds) {
    const auto rows = static_cast<uint32_t>(x.size() / kInputs);
    WRING_TRY(device_.CopyIn(hidden_, 0, std::as_bytes(std::span(hidden))));
    WRING_ASSIGN(Buffer w_there, Put(Halves(w)));
    WRING_ASSIGN(Buffer x_there, Put(Halves(x)));
    cuda::LinearArgs args = ArgsOf(w_there, kCols, kInputs, hidden());
    args.x = x_there.as<cuda::Half>();
    args.ldx = kInputs;
    args.rows = rows;
    args.add = adds;
    args.send = meeting_->Sends(rows);
    if (rows <= cuda::kGemvRows) {
      kernels().gemv(launcher_, args);
      WRING_TRY(meeting_->SumSent(launcher_, rows, kCols, 0));
    } else {
      kernels().narrow_gemm(launcher_, args, nullptr);
      WRING_TRY(
          meeting_->SumRows(launcher_, weight_.as<float>(), kEps, rows, kCols, /*sent=*/true));
    }
    return device_.Synchronize();
  }
  // The same of one or two rows three times over, each time with as many exchanges that only products take part in before one
  // that sums: `readers` are the norms' products of the unsummed rows by w_read [kCols][kCols].
  Status Carried(const std::vector<float>& hidden, const std::vector<float>& w,
                 const std::vector<float>& x, const std::vector<float>& w_read, bool adds,
                 std::vector<float>* readers) {
    const auto rows = static_cast<uint32_t>(x.size() / kInputs);
    WRING_TRY(device_.CopyIn(hidden_, 0, std::as_bytes(std::span(hidden))));
    WRING_ASSIGN(Buffer w_there, Put(Halves(w)));
    WRING_ASSIGN(Buffer x_there, Put(Halves(x)));
    WRING_ASSIGN(Buffer w_read_there, Put(Halves(w_read)));
    WRING_ASSIGN(Buffer y, device_.Allocate(rows * kCols * sizeof(float)));
    for (const uint32_t carried : {0U, 1U, 4U}) {
      for (uint32_t i = 0; i <= carried; ++i) {
        cuda::LinearArgs args = ArgsOf(w_there, kCols, kInputs, this->hidden());
        args.x = x_there.as<cuda::Half>();
        args.ldx = kInputs;
        args.rows = rows;
        args.add = adds;
        cuda::SendArgs send = *meeting_->Sends(rows);
        send.ahead = i;
        args.send = &send;
        cuda::UnsummedArgs before = meeting_->Unsummed(rows);
        before.ahead = i - 1;
        if (i > 0) args.unsummed = &before;
        kernels().gemv(launcher_, args);
        if (i == carried) break;
        cuda::LinearArgs reads = ArgsOf(w_read_there, kCols, kCols, y.as<float>());
        reads.rows = rows;
        reads.ldx = kCols;
        reads.norm.x = this->hidden();
        reads.norm.ldx = kCols;
        reads.norm.weight = weight_.as<float>();
        reads.norm.eps = kEps;
        reads.norm.rows = rows;
        reads.norm.cols = kCols;
        before.ahead = i;
        reads.unsummed = &before;
        kernels().gemv(launcher_, reads);
        std::vector<float> got(rows * kCols);
        WRING_TRY(device_.Synchronize());
        WRING_TRY(device_.CopyOut(std::as_writable_bytes(std::span(got)), y, 0));
        readers->insert(readers->end(), got.begin(), got.end());
      }
      WRING_TRY(meeting_->SumSent(launcher_, rows, kCols, carried));
    }
    return device_.Synchronize();
  }
  Result<Expected> Get(size_t count) {
    WRING_TRY(launcher_.status());
    WRING_TRY(device_.Synchronize());
    WRING_TRY(meeting_->Check());
    Expected e;
    e.hidden.resize(count);
    std::vector<uint16_t> halves(count);
    WRING_TRY(device_.CopyOut(std::as_writable_bytes(std::span(e.hidden)), hidden_, 0));
    WRING_TRY(device_.CopyOut(std::as_writable_bytes(std::span(halves)), normed_, 0));
    for (uint16_t h : halves) e.normed.push_back(F16ToF32(h));
    WRING_TRY(link_.Meet());  // nobody writes where another still reads
    return e;
  }
  float* hidden() { return hidden_.as<float>(); }
  bool has_partials() const { return meeting_->partial() != nullptr; }
  Range Share(size_t rows) const { return meeting_->Share(static_cast<uint32_t>(rows)); }

 private:
  // A product by float16 weights.
  static cuda::LinearArgs ArgsOf(const Buffer& w, uint32_t outs, uint32_t inputs, float* out) {
    cuda::LinearArgs args;
    args.part[0] = {
        {w.data(), 16 * inputs * 2, outs, inputs, outs / 16, inputs / 64, 1}, out, outs, nullptr};
    args.parts = 1;
    return args;
  }
  static const cuda::LinearKernels& kernels() { return cuda::LinearOf(FormatId::kF16); }
  Result<Buffer> Put(const std::vector<uint16_t>& halves) {
    WRING_ASSIGN(Buffer there, device_.Allocate(halves.size() * 2));
    WRING_TRY(device_.CopyIn(there, 0, std::as_bytes(std::span(halves))));
    return there;
  }
  Status CopyTo(cuda::Half* to, std::span<const uint16_t> from) {
    WRING_ASSIGN(Buffer there, Put({from.begin(), from.end()}));
    device_.CopyWithin(reinterpret_cast<std::byte*>(to), there.data(), from.size_bytes());
    return device_.Synchronize();
  }

  CudaDevice& device_;
  Link& link_;
  cuda::Launcher launcher_;
  Buffer hidden_, normed_, weight_;
  std::unique_ptr<Meeting> meeting_;
};

void ExpectNear(const std::vector<float>& got, const std::vector<float>& wanted, Range rows,
                float tolerance) {
  for (size_t i = size_t{rows.first} * kCols; i < size_t{rows.end()} * kCols; ++i)
    ASSERT_NEAR(got[i], wanted[i], tolerance * std::max(1.0F, std::fabs(wanted[i]))) << i;
}

class MeetingGpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto count = CudaDevice::Count();
    if (!count.ok() || *count < kRanks) GTEST_SKIP() << "needs two GPUs";
  }
  // Calls `work` for each rank, in a thread each.
  template <typename Work>
  void OnAll(const Work& work) {
    auto links = MakeThreadLinks(kRanks);
    std::atomic<uint32_t> reached = 0;
    std::vector<std::thread> threads;
    for (uint32_t r = 0; r < kRanks; ++r) {
      threads.emplace_back([&, r] {
        const auto device = CudaDevice::Get(static_cast<int>(r));
        ASSERT_TRUE(device.ok()) << device.status().message();
        Rank rank(*device, links[r].get());
        const Status made = rank.Prepare(weight_);
        ASSERT_TRUE(made.ok()) << made.message();
        if (!rank.has_partials()) return;
        ++reached;
        work(rank, r);
      });
    }
    for (auto& t : threads) t.join();
    if (!HasFailure() && reached == 0) GTEST_SKIP() << "needs GPUs that reach each other's memory";
  }

  const std::vector<float> weight_ = Numbers(kCols, 1);
};

TEST_F(MeetingGpuTest, PartialsSentEarlyGiveTheSumsAndNormsOfThoseThatAreNot) {
  OnAll([&](Rank& rank, uint32_t r) {
    unsigned seed = 10;
    for (const size_t rows : {2U, 301U, 600U, 77U, 600U}) {
      for (const bool early : {true, false, true}) {
        const auto hidden = Numbers(rows * kCols, ++seed);
        const auto a = Numbers(rows * kCols, ++seed);
        const auto b = Numbers(rows * kCols, ++seed);
        const bool norms = seed % 2 == 0;
        const Status s = rank.Large(hidden, r == 0 ? a : b, early, norms);
        ASSERT_TRUE(s.ok()) << s.message();
        const auto got = rank.Get(rows * kCols);
        ASSERT_TRUE(got.ok()) << got.status().message();
        const Expected wanted = Sum(hidden, a, b, weight_);
        const Range all = {0, static_cast<uint32_t>(rows)};
        // Rows of the residual stream stay with their rank until the last sum.
        ExpectNear(got->hidden, wanted.hidden, norms ? rank.Share(rows) : all, 1e-5F);
        if (norms) ExpectNear(got->normed, wanted.normed, all, 2e-3F);
      }
    }
  });
}

TEST_F(MeetingGpuTest, SumsThatProductsSendAreThoseOfTheHost) {
  OnAll([&](Rank& rank, uint32_t r) {
    if (!rank.sends()) return;
    unsigned seed = 900;
    for (const size_t rows : {64U, 1U, 9U, 8U, 3U, 33U, 16U, 64U, 2U}) {
      const auto hidden = Numbers(rows * kCols, ++seed);
      std::vector<float> w[kRanks];
      std::vector<float> x[kRanks];
      for (uint32_t i = 0; i < kRanks; ++i) {
        w[i] = Numbers(kCols * kInputs, ++seed);
        x[i] = Numbers(rows * kInputs, ++seed);
      }
      const Status s = rank.Sent(hidden, w[r], x[r], r == 0);
      ASSERT_TRUE(s.ok()) << s.message();
      const auto got = rank.Get(rows * kCols);
      ASSERT_TRUE(got.ok()) << got.status().message();
      const Expected wanted = Sum(hidden, Product(w[0], x[0]), Product(w[1], x[1]), weight_);
      const Range all = {0, static_cast<uint32_t>(rows)};
      ExpectNear(got->hidden, wanted.hidden, all, 1e-4F);
      if (rows > cuda::kGemvRows) ExpectNear(got->normed, wanted.normed, all, 2e-3F);
    }
  });
}

TEST_F(MeetingGpuTest, ProductsReadAndAddToSumsThatNobodyMade) {
  OnAll([&](Rank& rank, uint32_t r) {
    if (!rank.sends()) return;
    unsigned seed = 2000;
    for (const size_t rows : {1U, 2U, 1U}) {
      auto expected = Numbers(rows * kCols, ++seed);
      std::vector<float> w[kRanks];
      std::vector<float> x[kRanks];
      for (uint32_t i = 0; i < kRanks; ++i) {
        w[i] = Numbers(kCols * kInputs, ++seed);
        x[i] = Numbers(rows * kInputs, ++seed);
      }
      const auto w_read = Numbers(kCols * kCols, ++seed);
      std::vector<float> readers;
      const Status s = rank.Carried(expected, w[r], x[r], w_read, r == 0, &readers);
      ASSERT_TRUE(s.ok()) << s.message();
      const auto got = rank.Get(rows * kCols);
      ASSERT_TRUE(got.ok()) << got.status().message();
      const Range all = {0, static_cast<uint32_t>(rows)};
      size_t read = 0;
      for (const uint32_t carried : {0U, 1U, 4U}) {
        for (uint32_t i = 0; i <= carried; ++i) {
          const Expected step = Sum(expected, Product(w[0], x[0]), Product(w[1], x[1]), weight_);
          expected = step.hidden;
          if (i == carried) break;
          const auto wanted = Product(w_read, step.normed);
          const auto at = readers.begin() + static_cast<ptrdiff_t>(read * rows * kCols);
          ExpectNear({at, at + static_cast<ptrdiff_t>(rows * kCols)}, wanted, all, 2e-2F);
          ++read;
        }
      }
      ExpectNear(got->hidden, expected, all, 1e-4F);
    }
  });
}

TEST_F(MeetingGpuTest, RowsAreSummedAndNormedOnAllRanks) {
  OnAll([&](Rank& rank, uint32_t r) {
    unsigned seed = 500;
    for (const size_t rows : {9U, 1U, 64U, 10U, 8U, 72U, 33U, 64U}) {
      const auto a = Numbers(rows * kCols, ++seed);
      const auto b = Numbers(rows * kCols, ++seed);
      const bool norms = rows != 10;
      const Status s = rank.Rows(r == 0 ? a : b, norms);
      ASSERT_TRUE(s.ok()) << s.message();
      const auto got = rank.Get(rows * kCols);
      ASSERT_TRUE(got.ok()) << got.status().message();
      const Expected wanted = Sum(std::vector<float>(a.size()), a, b, weight_);
      const Range all = {0, static_cast<uint32_t>(rows)};
      ExpectNear(got->hidden, wanted.hidden, all, 1e-6F);
      if (norms && rows > 8) ExpectNear(got->normed, wanted.normed, all, 2e-3F);
    }
  });
}

}  // namespace
}  // namespace wring
