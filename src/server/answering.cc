#include "server/answering.h"

#include <cmath>

#include "server/http/event_stream.h"

namespace wring::server {

class Answering::Listener final : public EngineListener {
 public:
  Listener(std::shared_ptr<Answering> answering, uint32_t prompt)
      : answering_(std::move(answering)), prompt_(prompt) {}
  void OnPrompt(const Usage& usage, std::vector<TokenLogprobs> logprobs) override {
    answering_->OnPrompt(prompt_, usage, logprobs);
  }
  void OnDelta(Delta delta) override { answering_->OnDelta(prompt_, std::move(delta)); }
  void OnEnd(const Status& status, const Usage& usage) override {
    answering_->OnEnd(status, usage);
  }

 private:
  std::shared_ptr<Answering> answering_;
  uint32_t prompt_;
};

Answering::Answering(Service& service, Call call, uint32_t prompts, uint32_t choices,
                     std::unique_ptr<Writer> writer,
                     std::vector<std::unique_ptr<OutputParser>> parsers)
    : service_(service),
      call_(std::move(call)),
      choices_(choices),
      writer_(std::move(writer)),
      parsers_(std::move(parsers)),
      left_(prompts) {}

void Answering::Submit(std::vector<EngineRequest> requests, Allowance allowance) {
  Engine& engine = *service_.backend()->engine();
  const std::lock_guard lock(mutex_);  // nothing is written before all were taken
  allowance_ = std::move(allowance);
  for (uint32_t p = 0; p < requests.size(); ++p) {
    requests[p].cancel = cancel_;
    auto refusal =
        engine.Submit(std::move(requests[p]), std::make_shared<Listener>(shared_from_this(), p));
    if (refusal) return Fail(ErrorFrom(*refusal));
  }
  call_.exchange->OnGone([cancel = cancel_] { cancel->Cancel(); });
}

void Answering::OnPrompt(uint32_t prompt, const Usage& usage,
                         const std::vector<TokenLogprobs>& logprobs) {
  const std::lock_guard lock(mutex_);
  if (!done_) Write(writer_->OnPrompt(prompt, usage, logprobs));
}

void Answering::OnDelta(uint32_t prompt, Delta delta) {
  const std::lock_guard lock(mutex_);
  if (done_) return;
  delta.choice += prompt * choices_;
  OutputEvents events;
  if (delta.choice < parsers_.size()) {
    parsers_[delta.choice]->Push(delta.text, events);
    if (delta.finish) parsers_[delta.choice]->Finish(events);
  } else {
    AddText(events, OutputEvent::Kind::kContent, delta.text);
  }
  Write(writer_->OnDelta(delta, events));
}

void Answering::OnEnd(const Status& status, const Usage& usage) {
  const std::lock_guard lock(mutex_);
  usage_.prompt_tokens += usage.prompt_tokens;
  usage_.cached_tokens += usage.cached_tokens;
  usage_.completion_tokens += usage.completion_tokens;
  allowance_->Used(usage_.prompt_tokens + usage_.completion_tokens);
  if (--left_ == 0) allowance_.reset();
  if (done_) return;
  if (!status.ok()) return Fail(ErrorFrom(status));
  if (left_ > 0) return;
  done_ = true;
  End(writer_->OnEnd(usage_));
  LogEnd(nullptr);
}

void Answering::Write(const std::string& events) {
  if (events.empty()) return;
  if (!begun_) {
    begun_ = true;
    HttpReply reply = EventStreamReply();
    reply.body = events;
    return service_.Send(call_, std::move(reply));
  }
  if (!call_.exchange->Write(events)) cancel_->Cancel();
}

void Answering::End(const Ending& ending) {
  if (!ending.whole) {
    Write(ending.text);
    return call_.exchange->End();
  }
  HttpReply reply{ending.status, "application/json", ending.text, {}};
  if (ending.retry_after > 0) {
    reply.headers.emplace_back("Retry-After",
                               fmt::format("{}", static_cast<int64_t>(ending.retry_after + 0.999)));
  }
  service_.Send(call_, std::move(reply));
}

// The whole answer has failed, whatever other prompts said.
void Answering::Fail(const ApiError& error) {
  done_ = true;
  cancel_->Cancel();
  if (error.status == 429) service_.CountRejection(error);
  End(writer_->OnError(error));
  LogEnd(&error);
}

// What the request cost; the line of the answer's status was written when the answer began.
void Answering::LogEnd(const ApiError* error) {
  const double ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - call_.arrived)
          .count();
  service_.log().Write(LogLevel::kInfo, "answered",
                       {{"id", call_.exchange->request().id},
                        {"prompt_tokens", usage_.prompt_tokens},
                        {"cached_tokens", usage_.cached_tokens},
                        {"completion_tokens", usage_.completion_tokens},
                        {"ms", std::round(ms * 1000) / 1000},
                        {"error", error != nullptr ? std::string_view(error->message) : ""}});
}

}  // namespace wring::server
