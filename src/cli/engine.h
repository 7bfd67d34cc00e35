// The C interface as an owner of its handles: what `run` and `chat` are written on.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "wring/wring.h"

namespace wring::cli {

struct SamplingOptions {
  wring_generate_options generate = {};  // without what stands below
  std::vector<std::string> stop;
  std::vector<std::string> dry_breakers;
  std::vector<wring_logit_bias> logit_bias;
  std::string constraint;
};
// The sampling flags; a seed that was not given is drawn.
SamplingOptions SamplingFrom(const Arguments& arguments);
// What the answer must follow (--json-schema, --regex or --grammar), when one is given.
Status ReadConstraint(const Arguments& arguments, SamplingOptions* sampling);

// Takes text as it comes; false ends the answer.
using TextSink = std::function<bool(std::string_view)>;

class Engine {
 public:
  // Opens MODEL and a session as the arguments say.
  static Result<Engine> Open(const Arguments& arguments);

  wring_session* session() const { return session_.get(); }
  const std::string& path() const { return path_; }
  uint32_t length() const { return wring_session_length(session_.get()); }
  void Truncate(uint32_t length) { wring_session_truncate(session_.get(), length); }

  Result<std::vector<int32_t>> Tokenize(std::string_view text) const;
  // kUnsupported when the model has no chat template.
  Result<std::vector<int32_t>> EncodeChat(const std::string& messages_json) const;

  // False when the file has none; a template that fails is the business of EncodeChat.
  bool HasTemplate() const;

  // Streams the answer while on_text returns true. Ctrl-C ends it (finish = 2), also while the prompt is read.
  Result<wring_generate_stats> Generate(const std::vector<int32_t>& ids,
                                        const SamplingOptions& sampling, const TextSink& on_text);

 private:
  struct CloseModel {
    void operator()(wring_model* m) const { wring_model_close(m); }
  };
  struct CloseSession {
    void operator()(wring_session* s) const { wring_session_close(s); }
  };
  std::string path_;
  std::unique_ptr<wring_model, CloseModel> model_;
  std::unique_ptr<wring_session, CloseSession> session_;
};

// "prompt 12 tokens at 340 tok/s; answer 64 tokens at 82.1 tok/s; ..." with the machine's measured read
// bandwidth (measured once, a second or two). `threads` 0: every processor.
std::string StatsText(const wring_generate_stats& stats, const std::string& path, uint32_t threads,
                      uint64_t seed);

}  // namespace wring::cli
