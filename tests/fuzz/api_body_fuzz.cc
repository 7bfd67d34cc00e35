// Bodies of requests to every route; the first byte says which. Each is a call or an error that a client can read.
#include "check_text.h"
#include "server/api/json_value.h"
#include "server/api/parse.h"

namespace {

using wring::server::ApiResult;
using wring::server::GenerateCall;
using wring::server::Json;
using wring::testing::Require;

template <typename T>
bool Checked(const ApiResult<T>& result) {
  if (result.ok()) return true;
  const auto& error = result.error();
  Require(!error.message.empty() && error.message.size() < 2000 && error.status >= 400);
  for (const auto protocol : {wring::server::Protocol::kChat, wring::server::Protocol::kMessages}) {
    Require(Json::accept(wring::server::ErrorBody(protocol, error)));
  }
  return false;
}

void Check(const ApiResult<GenerateCall>& result) {
  if (!Checked(result)) return;
  const GenerateCall& call = *result;
  Require(call.messages.empty() == !call.prompts.empty());
  Json context;
  Require(wring::server::ParseValue(wring::server::TemplateContext(call, "<s>", "</s>", 1700000000),
                                    &context) &&
          context.is_object());
  Require(call.request.choices >= 1 && call.request.choices <= 128);
  for (const auto& stop : call.request.stop) Require(!stop.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  wring::server::ParseContext context;
  context.vocab_size = 1000;
  context.embedding_width = 8;
  const auto body = wring::testing::Text(data + 1, size - 1);
  switch (data[0] % 9) {  // '0' is 48, 3 modulo 9
    case 3: Check(wring::server::ParseChat(body, context)); break;
    case 4: Check(wring::server::ParseCompletion(body, context)); break;
    case 5: Check(wring::server::ParseResponses(body, context)); break;
    case 6: Check(wring::server::ParseMessages(body, context)); break;
    case 7: Check(wring::server::ParseMessages(body, context, true)); break;
    case 8: Checked(wring::server::ParseEmbedding(body, context)); break;
    case 0: Checked(wring::server::ParseTokenize(body, context)); break;
    case 1: Checked(wring::server::ParseDetokenize(body, context)); break;
    default: Check(wring::server::ParseApplyTemplate(body, context));
  }
  return 0;
}
