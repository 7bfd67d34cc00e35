#include "analyze/this_machine.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "base/checked.h"
#include "bench/machine.h"
#include "plot/svg.h"
#include "tensor/buffer.h"

namespace wring::analyze {
namespace {

std::string Line(const std::string& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// Caches from the second level on that the first `threads` processors of this process have together, as Linux tells; none
// where it does not.
std::vector<Cache> CachesHere(uint32_t threads) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return {};
  std::map<int, double> sizes;                 // by level
  std::set<std::pair<int, std::string>> seen;  // level, who shares it
  for (int cpu = 0; cpu < CPU_SETSIZE && threads > 0; ++cpu) {
    if (!CPU_ISSET(cpu, &set)) continue;
    --threads;
    for (int index = 0; index < 8; ++index) {
      const std::string at =
          fmt::format("/sys/devices/system/cpu/cpu{}/cache/index{}/", cpu, index);
      const int level = std::atoi(Line(at + "level").c_str());
      if (level < 2 || Line(at + "type") == "Instruction") continue;
      if (!seen.insert({level, Line(at + "shared_cpu_list")}).second) continue;
      sizes[level] += std::atof(Line(at + "size").c_str()) * 1024;  // "1024K"
    }
  }
  std::vector<Cache> caches;
  for (const auto& [level, bytes] : sizes) {
    if (bytes > 0) caches.push_back({fmt::format("L{}", level), bytes, 0});
  }
  return caches;
}

constexpr size_t kMeetings = 301;
// How much further cores, or memory, of two caches or sockets are than those of one; what is beyond it says that another program
// had the core.
constexpr double kFurthest = 3;

// The median time that giving work to all threads and meeting again takes.
double MeetingOf(ThreadPool& pool, size_t meetings) {
  const size_t threads = pool.threads();
  std::vector<double> times(meetings);
  for (double& seconds : times) {
    const auto start = std::chrono::steady_clock::now();
    std::atomic<size_t> here = 0;  // nobody goes before all have come
    pool.ParallelFor(threads, 1, [&](size_t, size_t, size_t) {
      here.fetch_add(1, std::memory_order_relaxed);
      while (here.load(std::memory_order_relaxed) < threads) std::this_thread::yield();
    });
    seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  const auto middle = times.begin() + static_cast<ptrdiff_t>(meetings / 2);
  std::nth_element(times.begin(), middle, times.end());
  return *middle;
}

}  // namespace

Result<Hardware> MeasureThisMachine(uint32_t threads, Progress* progress) {
  ThreadPool pool(threads == 0 ? DefaultThreads() : threads);
  WRING_ASSIGN(const auto roofs, bench::Roofs::Create(bench::kMemoryBytes, progress));
  const bench::ReadRoof read = roofs->Read(pool);
  const bench::ArithmeticRoof arithmetic = bench::Roofs::Arithmetic(pool);
  const bench::Machine machine = bench::ThisMachine();
  Hardware h;
  h.name = "this";
  h.title =
      fmt::format("this machine ({}, {}, {} threads)", machine.cpu, machine.isa, pool.threads());
  h.source = "read bandwidth and arithmetic measured now";
  h.memory = static_cast<double>(HostDevice().memory().total);
  h.bandwidth = read.gb_per_s * 1e9;
  h.threads = static_cast<uint32_t>(pool.threads());
  h.caches = CachesHere(h.threads);
  for (size_t i = 0; i < h.caches.size(); ++i) {
    // Half of what one thread has of a level of its own, half of a shared one: chunks change threads from pass to pass.
    const double share = i == 0 ? 2.0 * h.threads : 2;
    const auto range = static_cast<uint64_t>(h.caches[i].bytes / share);
    h.caches[i].bandwidth =
        roofs->Read(pool, RoundUp<uint64_t>(range, 256 << 10), 1).gb_per_s * 1e9;
  }
  h.meeting = MeetingOf(pool, 1001);
  roofs->Again(pool, read);
  h.piece = roofs->Piece(pool);
  h.peaks = {{"f32", arithmetic.fp32_gflops * 1e9}, {"int8", arithmetic.int8_gops * 1e9}};
  return h;
}

Result<Levels> MeasureLevels(uint32_t threads, Progress* progress) {
  WRING_ASSIGN(const auto roofs, bench::Roofs::Create(bench::kMemoryBytes, progress));
  Levels levels;
  std::vector<uint32_t> counts = {1};
  if (threads > 1) counts.push_back(threads);
  for (const uint32_t count : counts) {
    ThreadPool pool(count);
    for (const uint64_t bytes : {uint64_t{256} << 10, uint64_t{8} << 20, bench::kMemoryBytes}) {
      const uint64_t all = bytes < (1 << 20) ? bytes * count : bytes;
      levels.reads.push_back({all, count, roofs->Read(pool, all, 1).gb_per_s * 1e9});
    }
  }
  ThreadPool pool(threads);
  levels.meeting = MeetingOf(pool, 1001);
  return levels;
}

std::string LevelsText(const Levels& levels) {
  std::string text;
  for (const Level& l : levels.reads) {
    text += fmt::format("  {:>9} read by {} thread{}: {:.1f} GB/s\n",
                        plot::BytesText(static_cast<double>(l.bytes)), l.threads,
                        l.threads == 1 ? "" : "s", l.bandwidth / 1e9);
  }
  return text + fmt::format("  all threads meet in {}\n", plot::SecondsText(levels.meeting));
}

Result<SpeedMeter> SpeedMeter::Create(ThreadPool& pool, Progress* progress) {
  SpeedMeter meter;
  WRING_ASSIGN(meter.roofs_, bench::Roofs::Create(bench::kMemoryBytes, progress));
  meter.roof_ = meter.roofs_->Read(pool);
  return meter;
}

Speed SpeedMeter::Now(ThreadPool& pool) const {
  Speed speed;
  // Another program may hold a core for the few meetings of one try.
  speed.meeting = MeetingOf(pool, kMeetings);
  speed.bandwidth = roofs_->Again(pool, roof_) * 1e9;
  speed.piece = roofs_->Piece(pool);
  speed.meeting = std::min(speed.meeting, MeetingOf(pool, kMeetings));
  speed.arithmetic = bench::Roofs::Int8Now(pool) * 1e9;
  speed.meeting = std::min(speed.meeting, MeetingOf(pool, kMeetings));
  return speed;
}

double Change(const std::vector<Speed>& speeds) {
  const auto of = [&](double Speed::*rate) {
    const auto [least, most] =
        std::minmax_element(speeds.begin(), speeds.end(),
                            [&](const Speed& a, const Speed& b) { return a.*rate < b.*rate; });
    return (*most).*rate / (*least).*rate - 1;
  };
  // Waits and meetings are a small part of most ops.
  return std::max({of(&Speed::bandwidth), of(&Speed::arithmetic), of(&Speed::meeting) / 4,
                   of(&Speed::piece) / 4});
}

Hardware Between(const Hardware& hardware, const std::vector<Speed>& speeds) {
  Hardware now = hardware;
  const auto mean = [&](double Speed::*rate) {
    double sum = 0;
    for (const Speed& s : speeds) sum += s.*rate;
    return sum / static_cast<double>(speeds.size());
  };
  const auto times = [](double is, double was) {
    const double ratio = was > 0 ? is / was : 1;
    return ratio > 1 / kFurthest && ratio < kFurthest ? ratio : 1;
  };
  now.bandwidth = mean(&Speed::bandwidth);
  now.apart = hardware.threads > 1 ? times(mean(&Speed::meeting), hardware.meeting) : 1;
  now.late = times(mean(&Speed::piece), hardware.piece);
  const double usual = hardware.Peak({"int8"});
  if (usual <= 0) return now;
  const double pace = mean(&Speed::arithmetic) / usual;
  for (auto& [name, peak] : now.peaks) peak *= pace;
  for (Cache& c : now.caches) c.bandwidth *= pace;
  for (Constants& c : now.constants) {
    for (double* seconds : {&c.start, &c.beside, &c.unpack, &c.expand, &c.meet}) *seconds /= pace;
  }
  return now;
}

}  // namespace wring::analyze
