// A generation on its way from the engine to the client: what the engine says of each prompt goes through the choice's
// parser and the protocol's writer to the exchange. Called on the engine thread.
#pragma once

#include <memory>
#include <mutex>
#include <vector>

#include "engine/request.h"
#include "server/allowance.h"
#include "server/api/call.h"
#include "server/api/writer.h"
#include "server/tools/output_parser.h"

namespace wring::server {

class Answering : public std::enable_shared_from_this<Answering> {
 public:
  // `parsers`: one a choice, or none where the text is the answer.
  Answering(Service& service, Call call, uint32_t prompts, uint32_t choices,
            std::unique_ptr<Writer> writer, std::vector<std::unique_ptr<OutputParser>> parsers);

  // Submits one request a prompt, all or none; what is refused is answered. The client's going away cancels them.
  void Submit(std::vector<EngineRequest> requests, Allowance allowance);

 private:
  class Listener;
  void OnPrompt(uint32_t prompt, const Usage& usage, const std::vector<TokenLogprobs>& logprobs);
  void OnDelta(uint32_t prompt, Delta delta);
  void OnEnd(const Status& status, const Usage& usage);

  void Write(const std::string& events);
  void End(const Ending& ending);
  void Fail(const ApiError& error);
  void LogEnd(const ApiError* error);

  Service& service_;
  const Call call_;
  const uint32_t choices_;  // a prompt
  const std::shared_ptr<CancelToken> cancel_ = std::make_shared<CancelToken>();

  std::mutex mutex_;  // what follows
  std::unique_ptr<Writer> writer_;
  std::vector<std::unique_ptr<OutputParser>> parsers_;
  Usage usage_;
  uint32_t left_;  // prompts that have not ended
  bool begun_ = false, done_ = false;
  std::optional<Allowance> allowance_;
};

}  // namespace wring::server
