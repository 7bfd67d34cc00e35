// Machines by name, and how long an op takes on one: the roofline, with a few constants where they were fitted.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "analyze/cost.h"

namespace wring::analyze {

// What turns a roofline into a prediction: shares of the peaks that kernels reach, what an op costs, what a processor does for
// it that is neither (OpCost), and rows that a product is rounded up to. As they stand: the plain roofline.
struct Constants {
  double compute = 1, memory = 1;
  double start = 0;   // seconds an op
  double beside = 0;  // seconds a unit of OpCost::beside
  double unpack = 0;  // seconds a weight of OpCost::unpacked, on one thread
  double expand = 0;  // of OpCost::expanded
  // Seconds where threads share out the parts of units and put them together after.
  double meet = 0;
  uint32_t tile = 1;
};

// A level between the cores and memory: all that the threads in use have of it.
struct Cache {
  std::string name;
  double bytes = 0;
  double bandwidth = 0;  // bytes a second; 0: not known
};

struct Hardware {
  std::string name, title, source;
  std::string fitted;         // what the constants were fitted on; empty: the plain roofline
  double memory = 0;          // bytes
  double bandwidth = 0;       // bytes a second
  uint32_t threads = 0;       // of a processor, as it was measured; 0: not known
  std::vector<Cache> caches;  // from the second level on, nearest first; empty: not known
  double meeting = 0;         // seconds in which all threads meet; 0: not known
  double piece = 0;           // seconds for some kilobytes of memory that lie alone; 0: not known
  double apart = 1;           // how much later threads meet than when the constants were fitted
  double late = 1;            // how much later such a piece comes
  std::map<std::string, double> peaks;      // operations a second by arithmetic: "f16", "int8"
  std::array<Constants, kUnits> constants;  // by Unit

  const Constants& of(Unit unit) const { return constants[static_cast<size_t>(unit)]; }
  // The peak of the first of `arithmetics` that the machine has; 0: none.
  double Peak(const std::vector<std::string>& arithmetics) const;
};

// Named machines, sorted.
const std::vector<Hardware>& AllHardware();
// By name, or from a JSON file of one such object; kNotFound lists the names.
Result<Hardware> FindHardware(const std::string& name_or_file);
// A machine as the JSON that FindHardware() reads.
std::string HardwareJson(const Hardware& hardware);
Result<std::vector<Hardware>> ParseHardware(std::string_view json, std::string_view what);

enum class Bound : uint8_t { kCompute, kMemory, kStart };
std::string_view BoundName(Bound bound);

// An op's bytes by where they come from or go to: each of the machine's caches, and memory.
//
// A level keeps what was used again before 0.6 of its size passed in between (others use it too). The last one keeps so much
// of more as well, a near one nothing from 0.8 on, and a share in between. Between two uses of weights and of the cache of
// earlier steps lies the whole step (OpCost::step_bytes); between the writing of activations, or of this step's keys and
// values, and their use what the op reads and writes of them.
struct LevelBytes {
  std::vector<double> caches;  // as Hardware::caches
  double memory = 0;
};
LevelBytes BytesByLevel(const OpCost& op, const Hardware& hardware);

// What an op takes at the machine's full rates, and what else its time goes by.
struct Load {
  double compute = 0, memory = 0;     // seconds
  uint64_t rows = 0;                  // of a product; 0: it has no rows to round up
  double beside = 0;                  // of the thread that has most of it
  double unpacked = 0, expanded = 0;  // of a thread
  double apart = 1;                   // Hardware::apart
  double meetings = 0;                // beside the one that every op has
};
Load LoadOf(const OpCost& op, const Hardware& hardware);
double SecondsOf(const Load& load, const Constants& c);

struct Predicted {
  double seconds = 0;   // of all layers
  double roofline = 0;  // without constants
  Bound bound = Bound::kMemory;
};
Predicted Predict(const OpCost& op, const Hardware& hardware);

// The arithmetic that the engine computes such an op in, operations a second: float16 on a GPU; on a processor int8 for packed
// weights, else float32.
double PeakOf(Unit unit, const Hardware& hardware);

}  // namespace wring::analyze
