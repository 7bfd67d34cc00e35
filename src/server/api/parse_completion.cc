#include "server/api/common_fields.h"
#include "server/api/limits.h"
#include "server/api/parse.h"

namespace wring::server {
namespace {

void ReadLogprobs(const Fields& body, GenerateCall* call) {
  const Json* given = body.Find("logprobs");
  if (given == nullptr) return;
  if (given->is_boolean()) {  // as some clients send it for chat
    if (given->get<bool>()) call->output.logprobs = 0;
  } else if (const auto top = body.Integer("logprobs")) {
    call->output.logprobs = static_cast<int32_t>(*top);
  }
  if (!call->output.logprobs) return;
  call->request.logprobs = *call->output.logprobs;
  if (call->output.echo) call->request.prompt_logprobs = *call->output.logprobs;
}

void ReadLength(const Fields& body, GenerateCall* call) {
  const auto most = body.Integer("max_tokens");
  // OpenAI's default here; the answer of a base model has no end of its own.
  call->request.max_tokens = static_cast<uint32_t>(most.value_or(16));
  if (call->request.max_tokens == 0) {
    if (!call->output.echo) {
      return body.Fail("max_tokens", "can be 0 only with \"echo\": true: give at least 1");
    }
    call->request.max_tokens = 1;
    call->output.prompt_only = true;
  }
  // Harnesses that score a prompt drop the last entry for the one generated token; it must be there even when that
  // token ends the text.
  if (call->output.echo && call->output.logprobs && call->request.max_tokens == 1) {
    call->request.ignore_stop_ids = true;
  }
}

}  // namespace

ApiResult<GenerateCall> ParseCompletion(std::string_view text, const ParseContext& context) {
  auto json = ParseObject(text);
  if (!json.ok()) return json.error();
  Failure failure;
  const Fields body(*json, "", failure);
  GenerateCall call;
  call.protocol = Protocol::kCompletion;
  call.prompts = ReadPrompts(body, "prompt", context.vocab_size);
  ReadSampling(body, context, &call);
  ReadStops(body, "stop", &call);
  ReadStream(body, &call);
  ReadConstraint(body, &call);
  call.output.echo = body.Flag("echo").value_or(false);
  ReadLogprobs(body, &call);
  ReadLength(body, &call);
  call.add_special_tokens = body.Flag("add_special_tokens").value_or(true);
  const auto n = body.Integer("n").value_or(1);
  call.request.choices = static_cast<uint32_t>(n);
  if (body.Integer("best_of").value_or(n) != n) {
    body.Fail("best_of", "must equal n, since answers are not ranked: leave it out");
  }
  if (call.prompts.size() * static_cast<size_t>(n) > kMaxAnswers) {
    body.Fail("n", fmt::format("times the prompts is more than {} answers: send several requests",
                               kMaxAnswers));
  }
  if (const std::string* suffix = body.Text("suffix"); suffix != nullptr && !suffix->empty()) {
    call.suffix = *suffix;
    if (call.output.echo) body.Fail("suffix", "and echo cannot be given together: choose one");
    if (call.prompts.size() != 1) body.Fail("suffix", "needs exactly one prompt");
  }
  if (failure.failed()) return failure.error();
  return call;
}

}  // namespace wring::server
