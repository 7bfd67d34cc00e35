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
  Status Rows(const std::vector<float>& values) {
    WRING_TRY(device_.CopyIn(hidden_, 0, std::as_bytes(std::span(values))));
    return meeting_->Sum(launcher_, hidden(), values.size());
  }
  // Logits of which this rank has some columns; those of the others are not there.
  Status Logits(const std::vector<float>& values, uint32_t rows, uint32_t ld, Range mine,
                const std::vector<Range>& ranges) {
    WRING_TRY(device_.CopyIn(hidden_, 0, std::as_bytes(std::span(values))));
    WRING_TRY(meeting_->Reserve(rows * ld * sizeof(float), hidden()));
    WRING_TRY(meeting_->Ready());
    Meeting::Slices s;
    s.all = hidden_.data();
    s.mine = s.all + mine.first * sizeof(float);
    s.ld = s.ld_all = ld;
    s.rows = rows;
    s.bytes = sizeof(float);
    s.ranges = ranges;
    WRING_TRY(meeting_->Gather(launcher_, s));
    return device_.Synchronize();
  }
  bool sends() const { return meeting_->Sends(cuda::kNarrowRows) != nullptr; }
  // A product that sends its sums, of float16 weights, for `hidden`, which all ranks have.
  Status Sent(const std::vector<float>& hidden, const std::vector<float>& w,
              const std::vector<float>& x, bool norms) {
    const auto rows = static_cast<uint32_t>(x.size() / kInputs);
    WRING_TRY(device_.CopyIn(hidden_, 0, std::as_bytes(std::span(hidden))));
    WRING_ASSIGN(Buffer w_there, Put(Halves(w)));
    WRING_ASSIGN(Buffer x_there, Put(Halves(x)));
    cuda::LinearArgs args;
    args.part[0] = {{w_there.data(), 16 * kInputs * 2, kCols, kInputs, kCols / 16, kInputs / 64, 1},
                    hidden_.as<float>(),
                    kCols,
                    nullptr};
    args.parts = 1;
    args.x = x_there.as<cuda::Half>();
    args.ldx = kInputs;
    args.rows = rows;
    args.send = meeting_->Sends(rows);
    const cuda::LinearKernels& k = cuda::LinearOf(FormatId::kF16);
    rows > cuda::kGemvRows ? k.narrow_gemm(launcher_, args, nullptr) : k.gemv(launcher_, args);
    WRING_TRY(
        meeting_->SumRows(launcher_, norms ? weight_.as<float>() : nullptr, kEps, rows, kCols));
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
  if (!cuda::HasWgmma()) GTEST_SKIP() << "needs Hopper GPUs";
  OnAll([&](Rank& rank, uint32_t r) {
    ASSERT_TRUE(rank.sends());
    unsigned seed = 900;
    for (const size_t rows : {64U, 9U, 1U, 33U, 8U, 1U, 16U, 64U, 17U, 2U, 1U, 1U}) {
      const auto hidden = Numbers(rows * kCols, ++seed);
      std::vector<float> w[kRanks];
      std::vector<float> x[kRanks];
      for (uint32_t i = 0; i < kRanks; ++i) {
        w[i] = Numbers(kCols * kInputs, ++seed);
        x[i] = Numbers(rows * kInputs, ++seed);
      }
      const bool norms = rows != 2;
      const Status s = rank.Sent(hidden, w[r], x[r], norms);
      ASSERT_TRUE(s.ok()) << s.message();
      const auto got = rank.Get(rows * kCols);
      ASSERT_TRUE(got.ok()) << got.status().message();
      const Expected wanted = Sum(hidden, Product(w[0], x[0]), Product(w[1], x[1]), weight_);
      const Range all = {0, static_cast<uint32_t>(rows)};
      const bool halves = rows > 8;  // parts travel as float16
      ExpectNear(got->hidden, wanted.hidden, all, halves ? 2e-2F : 1e-4F);
      if (norms) ExpectNear(got->normed, wanted.normed, all, halves ? 4e-3F : 2e-3F);
    }
  });
}

TEST_F(MeetingGpuTest, RowsAreSummedOnAllRanks) {
  OnAll([&](Rank& rank, uint32_t r) {
    unsigned seed = 500;
    for (const size_t rows : {9U, 1U, 64U, 10U, 8U, 72U, 33U, 64U, 80U}) {
      const auto a = Numbers(rows * kCols, ++seed);
      const auto b = Numbers(rows * kCols, ++seed);
      const Status s = rank.Rows(r == 0 ? a : b);
      ASSERT_TRUE(s.ok()) << s.message();
      const auto got = rank.Get(rows * kCols);
      ASSERT_TRUE(got.ok()) << got.status().message();
      const Expected wanted = Sum(std::vector<float>(a.size()), a, b, weight_);
      ExpectNear(got->hidden, wanted.hidden, {0, static_cast<uint32_t>(rows)}, 1e-6F);
    }
  });
}

TEST_F(MeetingGpuTest, LogitsOfAllRanksAreOnEachRank) {
  OnAll([&](Rank& rank, uint32_t r) {
    unsigned seed = 700;
    // Columns that are not a multiple of four go another way.
    for (const uint32_t first : {160U, 48U, 50U, 316U}) {
      for (const uint32_t rows : {1U, 64U, 3U}) {
        const auto all = Numbers(size_t{rows} * kCols, ++seed);
        const std::vector<Range> ranges = {{0, first}, {first, kCols - first}};
        std::vector<float> here = all;
        for (size_t i = 0; i < here.size(); ++i) {
          const bool mine = i % kCols >= ranges[r].first && i % kCols < ranges[r].end();
          if (!mine) here[i] = -1e9F;
        }
        const Status s = rank.Logits(here, rows, kCols, ranges[r], ranges);
        ASSERT_TRUE(s.ok()) << s.message();
        const auto got = rank.Get(all.size());
        ASSERT_TRUE(got.ok()) << got.status().message();
        EXPECT_EQ(got->hidden, all);
      }
    }
  });
}

}  // namespace
}  // namespace wring
