// What `wring plan` chooses among, and what it is asked for.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kv/codec/codec.h"
#include "quant/weight_format.h"

namespace wring::planner {

// One way to serve: the knobs that the engine has. It has no attention budget and no draft model yet, so a plan has neither.
struct Choice {
  const WeightFormat* weights = nullptr;  // of every matrix; null: the file as it is
  CodecId kv = CodecId::kF16;
  uint32_t sequences = 1;  // answers that run at once
  uint32_t rows = 256;     // most tokens of a step
  uint32_t threads = 0;    // of a processor
  bool operator==(const Choice&) const = default;
};

// What must hold. 0: no limit.
struct Goal {
  uint32_t prompt = 2048, output = 256;  // tokens of a request
  double ttft = 0;                       // seconds until the first token
  double tpot = 0;                       // seconds a token after it
  double memory = 0;                     // bytes
  double loss = 0;                       // of perplexity, a share
};

// What a choice gives. Times are of the request that is slower than nine of ten.
struct Figures {
  double ttft = 0, tpot = 0;
  double throughput = 0;  // generated tokens a second, all answers together
  double memory = 0;
  std::optional<double> loss;  // nothing: no table tells
};

enum class Limit : uint8_t { kTtft, kTpot, kMemory, kLoss };
inline constexpr size_t kLimits = 4;
// "--ttft", and a value of it as people write it: "1.2 s", "8.00 GB", "2.1 %".
std::string_view LimitName(Limit limit);
std::string LimitText(Limit limit, double value);
double LimitOf(const Goal& goal, Limit limit);
// Of a choice whose loss nobody knows: 0, with a limit or without one.
double ValueOf(const Figures& figures, Limit limit);
// How much of a limit is used: above 1 it is broken. 0 without a limit.
double Use(const Goal& goal, const Figures& figures, Limit limit);
bool Holds(const Goal& goal, const Figures& figures);

}  // namespace wring::planner
