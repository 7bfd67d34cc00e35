// The requests of a run. Request i is a pure function of options and i; bodies are made when they are sent, so a
// trace of long prompts need not lie in memory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "serve/options.h"
#include "serve/trace.h"

namespace wring::load {

// In what state a client goes away. From outside, waiting and prefill look alike: a client in the queue goes as soon
// as its request is out, one in prefill at a random moment before its first token is due.
enum class Vanish : uint8_t { kNever, kConnected, kHalfBody, kQueued, kPrefill, kTokens };

struct Job {
  uint64_t index = 0;
  double arrival_s = 0;  // open loop and trace
  uint64_t prompt = 0;   // which of the prompts
  uint32_t input_len = 0;
  uint32_t output_len = 0;
  Vanish vanish = Vanish::kNever;
  double draw = 0;  // in (0, 1): how far into its state a client vanishes
  bool slow = false;
};

class Workload {
 public:
  static Result<Workload> Create(Options options);

  // UINT64_MAX when only the duration bounds the run.
  uint64_t size() const { return size_; }
  bool open() const { return !arrivals_.empty() || !trace_.rows.empty(); }
  uint64_t damaged() const { return trace_.damaged; }
  Job At(uint64_t index) const;
  // The JSON of a request.
  std::string Body(const Job& job) const;
  // {"prompt": [...], "output_tokens": n}, a line of --dump-prompts.
  std::string Line(const Job& job) const;
  void set_model(std::string model) { options_.model = std::move(model); }

 private:
  explicit Workload(Options options) : options_(std::move(options)) {}
  Status ReadPrompts();
  std::vector<uint32_t> Ids(const Job& job) const;
  // The field that holds the prompt, as JSON: "prompt":... or "messages":...
  std::string Prompt(const Job& job) const;

  Options options_;
  uint64_t size_ = 0;
  std::vector<double> arrivals_;
  Trace trace_;
  struct Text {
    std::string field;        // as Prompt() gives it
    uint32_t output_len = 0;  // 0: --output-len
  };
  std::vector<Text> texts_;
};

}  // namespace wring::load
