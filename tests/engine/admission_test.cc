#include "engine/admission.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/rng.h"

namespace wring {
namespace {

TEST(AdmissionTest, BoundsTheQueueByRequestsAndByTokens) {
  Admission a({.waiting_requests = 2, .waiting_tokens = 1000});
  Admission::Ticket t[4];
  EXPECT_FALSE(a.Try(5000, 1, -1, 0, &t[0])) << "one alone may be longer than the bound";
  EXPECT_TRUE(a.Try(10, 1, -1, 0, &t[1]));
  a.Started(t[0]);
  EXPECT_FALSE(a.Try(900, 1, -1, 0, &t[1]));
  const auto tokens = a.Try(200, 1, -1, 0, &t[2]);
  ASSERT_TRUE(tokens);
  EXPECT_NE(tokens->status.message().find("tokens"), std::string::npos);
  EXPECT_FALSE(a.Try(50, 1, -1, 0, &t[2]));
  const auto requests = a.Try(1, 1, -1, 0, &t[3]);
  ASSERT_TRUE(requests);
  EXPECT_NE(requests->status.message().find("requests"), std::string::npos);
  EXPECT_GE(requests->retry_after, 1);
}

TEST(AdmissionTest, CountsWhatIsOutstandingAndForgetsWhatEnded) {
  Admission a({});
  a.Measured(1000, 1);
  Admission::Ticket t;
  ASSERT_FALSE(a.Try(400, 50, -1, 0, &t));
  EXPECT_NEAR(a.Backlog(), 0.5, 1e-9);
  a.Started(t);
  a.Cached(&t, 400);
  EXPECT_NEAR(a.Backlog(), 0.1, 1e-9);
  a.Ended(t, true, Admission::End::kDone, 50);
  EXPECT_EQ(a.Backlog(), 0);
  EXPECT_EQ(a.waiting_requests(), 0U);
}

TEST(AdmissionTest, RefusesADeadlineThatCannotBeMet) {
  Admission a({});
  a.Measured(1000, 1);
  Admission::Ticket t;
  int taken = 0;
  std::optional<Refusal> refusal;
  while (!(refusal = a.Try(100, 50, 10, 0, &t))) ++taken;
  EXPECT_NEAR(taken, 10 * Admission::kMostPlanned * 1000 / 200, 1);
  EXPECT_GE(refusal->retry_after, 1);
  EXPECT_NE(refusal->status.message().find("deadline"), std::string::npos);
}

// A server that computes 1,000 units a second and shares them among all that was taken, under twice that load for a
// quarter of an hour; who is late is broken off. The estimate is wrong by `error`.
struct Outcome {
  uint32_t offered = 0, in_time = 0, late = 0;
  double useful = 0;  // units of those that were done
};
Outcome Overload(double error) {
  constexpr double kStep = 0.01;
  constexpr double kDeadline = 5;
  constexpr int kSteps = 90'000;
  Admission a({});
  a.Measured(1000 * error, 1);
  struct Job {
    Admission::Ticket ticket;
    double left, arrived;
  };
  std::deque<Job> jobs;
  Outcome outcome;
  for (int step = 0; step < kSteps; ++step) {
    const double now = step * kStep;
    if (Philox({static_cast<uint32_t>(step), 0, 0, 0}, 5)[0] % 10 ==
        0) {  // 10 a second, 200 units each
      ++outcome.offered;
      Job job;
      if (!a.Try(100, 50, kDeadline, 0, &job.ticket)) {
        job.left = 200;
        job.arrived = now;
        a.Started(job.ticket);
        jobs.push_back(job);
      }
    }
    if (jobs.empty()) continue;
    a.Measured(1000 * kStep * error, kStep);
    const double share = 1000 * kStep / static_cast<double>(jobs.size());
    std::erase_if(jobs, [&](Job& job) {
      job.left -= share;
      const bool done = job.left <= 0;
      const bool late = now - job.arrived > kDeadline;
      if (!done && !late) return false;
      (done ? outcome.in_time : outcome.late) += 1;
      outcome.useful += done ? 200 : 0;
      const double output = done ? 50 : std::max(0.0, 100 - job.left) / 2;
      a.Ended(job.ticket, true, done ? Admission::End::kDone : Admission::End::kLate,
              static_cast<uint64_t>(output));
      return true;
    });
  }
  return outcome;
}

TEST(AdmissionTest, UnderTwiceTheLoadHalfIsServedInTime) {
  const Outcome o = Overload(1);
  EXPECT_EQ(o.late, 0U);
  EXPECT_NEAR(o.in_time, o.offered / 2.0, o.offered * 0.05);
  EXPECT_GT(o.useful, 0.95 * 1000 * 900);
}

TEST(AdmissionTest, AWrongEstimateIsPutRightByItsMisses) {
  for (const double error : {1.3, 1.6}) {
    const Outcome o = Overload(error);
    EXPECT_LT(o.late, 0.03 * o.in_time) << error;
    EXPECT_GT(o.useful, 0.9 * 1000 * 900) << error;
  }
}

}  // namespace
}  // namespace wring
