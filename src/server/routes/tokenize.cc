// POST /tokenize, /detokenize, /apply-template, GET /tokenizer_info: what the model's tokenizer and template do,
// without the model.
#include "server/allowance.h"
#include "server/api/parse.h"
#include "server/api/replies.h"
#include "server/prompt.h"
#include "server/routes/routes.h"

namespace wring::server {
namespace {

// The model whose tokenizer is asked for: that which generates, else the encoder.
const Model& TextModel(Backend& b) {
  return b.generator() != nullptr ? *b.generator() : *b.encoder();
}

ParseContext ContextOf(const Model& model) {
  ParseContext context;
  context.vocab_size = model.spec.vocab;
  return context;
}

}  // namespace

void TokenizerInfo(Service& service, const Call& call) {
  const Model& model = TextModel(*service.backend());
  service.SendJson(
      call, TokenizerInfoReply(model.bos_token, model.eos_token, model.chat_template_source));
}

void Tokenize(Service& service, const Call& call) {
  auto allowance = Allowance::Take(service, call, 0);
  if (!allowance) return;
  const Model& model = TextModel(*service.backend());
  auto parsed = ParseTokenize(call.exchange->request().body, ContextOf(model));
  if (!parsed.ok()) return service.SendError(call, parsed.error());
  auto ids = EncodePrompts(model, parsed->call);
  if (!ids.ok()) return service.SendError(call, ids.error());
  allowance.reset();
  service.SendJson(
      call, TokenizeReply(ids->prompts.at(0), model.spec.context, parsed->return_token_strs,
                          [&](int32_t id) { return model.tokenizer->TokenBytes(id, true); }));
}

void Detokenize(Service& service, const Call& call) {
  auto allowance = Allowance::Take(service, call, 0);
  if (!allowance) return;
  const Model& model = TextModel(*service.backend());
  auto tokens = ParseDetokenize(call.exchange->request().body, ContextOf(model));
  if (!tokens.ok()) return service.SendError(call, tokens.error());
  if (model.tokenizer == nullptr) {
    return service.SendError(call, MakeError(400, "the model carries no tokenizer"));
  }
  auto text = model.tokenizer->Decode(*tokens, false);
  if (!text.ok()) return service.SendError(call, ErrorFrom(text.status()));
  allowance.reset();
  service.SendJson(call, DetokenizeReply(*text));
}

void ApplyTemplate(Service& service, const Call& call) {
  auto allowance = Allowance::Take(service, call, 0);
  if (!allowance) return;
  const Model& model = TextModel(*service.backend());
  auto parsed = ParseApplyTemplate(call.exchange->request().body, ContextOf(model));
  if (!parsed.ok()) return service.SendError(call, parsed.error());
  auto text = RenderConversation(model, *parsed);
  if (!text.ok()) return service.SendError(call, text.error());
  allowance.reset();
  service.SendJson(call, ApplyTemplateReply(*text));
}

}  // namespace wring::server
