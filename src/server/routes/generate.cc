// The routes that generate; what differs is how their bodies are read and their answers written.
#include "server/generate.h"

#include "server/allowance.h"
#include "server/api/parse.h"
#include "server/api/replies.h"
#include "server/prompt.h"
#include "server/routes/routes.h"

namespace wring::server {

void ChatCompletions(Service& service, const Call& call) {
  Generate(service, call, ParseChat(call.exchange->request().body, MakeParseContext(service)));
}

void Completions(Service& service, const Call& call) {
  Generate(service, call,
           ParseCompletion(call.exchange->request().body, MakeParseContext(service)));
}

void Responses(Service& service, const Call& call) {
  Generate(service, call, ParseResponses(call.exchange->request().body, MakeParseContext(service)));
}

void Messages(Service& service, const Call& call) {
  Generate(service, call, ParseMessages(call.exchange->request().body, MakeParseContext(service)));
}

void CountTokens(Service& service, const Call& call) {
  const Backend& b = *service.backend();
  if (b.generator() == nullptr) {
    return service.SendError(call, MakeError(400, "the model served here reads no messages"));
  }
  auto allowance = Allowance::Take(service, call, 0);
  if (!allowance) return;
  auto parsed =
      ParseMessages(call.exchange->request().body, MakeParseContext(service), /*count_only=*/true);
  if (!parsed.ok()) return service.SendError(call, parsed.error());
  auto ids = EncodePrompts(*b.generator(), *parsed);
  if (!ids.ok()) return service.SendError(call, ids.error());
  allowance.reset();
  service.SendJson(call, CountReply(ids->prompts.at(0).size()));
}

}  // namespace wring::server
