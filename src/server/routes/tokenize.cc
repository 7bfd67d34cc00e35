// POST /tokenize, /detokenize, /apply-template: what the model's tokenizer and template do, without the model.
#include <nlohmann/json.hpp>

#include "server/api/parse.h"
#include "server/prompt.h"
#include "server/routes/routes.h"

namespace wring::server {
namespace {

using Json = nlohmann::ordered_json;

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// The model whose tokenizer is asked for: that which generates, else the encoder.
const Model& TextModel(Backend& b) {
  return b.generator() != nullptr ? *b.generator() : *b.encoder();
}

ParseContext Context(const Model& model) {
  ParseContext context;
  context.vocab_size = model.spec.vocab;
  return context;
}

}  // namespace

void Tokenize(Service& service, const Call& call) {
  const Model& model = TextModel(*service.backend());
  auto parsed = ParseTokenize(call.exchange->request().body, Context(model));
  if (!parsed.ok()) return service.SendError(call, parsed.error());
  auto ids = EncodePrompts(model, parsed->call);
  if (!ids.ok()) return service.SendError(call, ids.error());
  const auto& tokens = ids->prompts.at(0);
  Json body = {{"count", tokens.size()}, {"max_model_len", model.spec.context}, {"tokens", tokens}};
  if (parsed->return_token_strs) {
    Json texts = Json::array();
    for (const int32_t id : tokens) texts.push_back(model.tokenizer->TokenBytes(id, true));
    body["token_strs"] = std::move(texts);
  }
  service.SendJson(call, Dump(body));
}

void Detokenize(Service& service, const Call& call) {
  const Model& model = TextModel(*service.backend());
  auto tokens = ParseDetokenize(call.exchange->request().body, Context(model));
  if (!tokens.ok()) return service.SendError(call, tokens.error());
  if (model.tokenizer == nullptr) {
    return service.SendError(call, MakeError(400, "the model carries no tokenizer"));
  }
  auto text = model.tokenizer->Decode(*tokens, false);
  if (!text.ok()) return service.SendError(call, ErrorFrom(text.status()));
  service.SendJson(call, Dump(Json{{"prompt", *text}, {"content", *text}}));
}

void ApplyTemplate(Service& service, const Call& call) {
  const Model& model = TextModel(*service.backend());
  auto parsed = ParseApplyTemplate(call.exchange->request().body, Context(model));
  if (!parsed.ok()) return service.SendError(call, parsed.error());
  auto text = RenderConversation(model, *parsed);
  if (!text.ok()) return service.SendError(call, text.error());
  service.SendJson(call, Dump(Json{{"prompt", *text}}));
}

}  // namespace wring::server
