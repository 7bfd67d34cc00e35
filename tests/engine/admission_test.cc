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
  a.Computed(&t, 400);
  EXPECT_NEAR(a.Backlog(), 0.1, 1e-9);
  a.Ended(t, true, 50);
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
  EXPECT_NEAR(taken, 10 * Admission::kSafety * 1000 / 200, 1);
  EXPECT_GE(refusal->retry_after, 1);
  EXPECT_NE(refusal->status.message().find("deadline"), std::string::npos);
}

// A server that computes 1,000 units a second under twice that load: who is taken is done in time, and no time is
// wasted.
TEST(AdmissionTest, UnderTwiceTheLoadHalfIsServedInTime) {
  Admission a({});
  a.Measured(1000, 1);
  struct Job {
    Admission::Ticket ticket;
    double left, arrived;
  };
  std::deque<Job> jobs;
  const double dt = 0.01;
  double credit = 0;
  uint32_t offered = 0, taken = 0, late = 0, done = 0;
  for (int step = 0; step < 60'000; ++step) {
    const double now = step * dt;
    if (Philox({static_cast<uint32_t>(step), 0, 0, 0}, 5)[0] % 10 ==
        0) {  // 10 a second of 200 units
      ++offered;
      Job job;
      if (!a.Try(100, 50, 5, 0, &job.ticket)) {
        ++taken;
        job.left = 200;
        job.arrived = now;
        a.Started(job.ticket);
        jobs.push_back(job);
      }
    }
    if (jobs.empty()) continue;
    credit = 1000 * dt;
    a.Measured(credit, dt);
    while (credit > 0 && !jobs.empty()) {
      const double units = std::min(credit, jobs.front().left);
      a.Computed(&jobs.front().ticket, units);
      jobs.front().left -= units;
      credit -= units;
      if (jobs.front().left > 0) break;
      late += now - jobs.front().arrived > 5 ? 1 : 0;
      ++done;
      a.Ended(jobs.front().ticket, true, 50);
      jobs.pop_front();
    }
  }
  EXPECT_EQ(late, 0U);
  EXPECT_NEAR(taken, offered / 2.0, offered * 0.05);
  EXPECT_GT(done, 0.95 * 600 * 5);
}

}  // namespace
}  // namespace wring
