// POST /v1/embeddings
#include "server/allowance.h"
#include "server/api/parse.h"
#include "server/api/replies.h"
#include "server/generate.h"
#include "server/prompt.h"
#include "server/routes/routes.h"

namespace wring::server {

void Embeddings(Service& service, const Call& call) {
  // Thousands of texts take seconds, and their worker waits for them.
  if (!call.slow) {
    return service.RunSlowly(call, [&service](const Call& c) { Embeddings(service, c); });
  }
  Backend& b = *service.backend();
  if (b.encoder() == nullptr) {
    return service.SendError(call, MakeError(400,
                                             "this server has no embedding model: start it with "
                                             "--embedding-model MODEL, such as all-minilm-l6-v2"));
  }
  ParseContext context = MakeParseContext(service);
  context.vocab_size = b.encoder()->spec.vocab;
  auto parsed = ParseEmbedding(call.exchange->request().body, context);
  if (!parsed.ok()) return service.SendError(call, parsed.error());
  if (auto error = CheckModel(parsed->model, b.embedding_name())) {
    return service.SendError(call, *error);
  }
  GenerateCall texts;
  texts.prompts = parsed->inputs;
  texts.add_special_tokens = parsed->add_special_tokens;
  auto ids = EncodePrompts(*b.encoder(), texts);
  if (!ids.ok()) return service.SendError(call, ids.error());
  uint64_t tokens = 0;
  for (const auto& prompt : ids->prompts) tokens += prompt.size();
  auto allowance = Allowance::Take(service, call, tokens);
  if (!allowance) return;
  allowance->Used(tokens);
  std::vector<std::vector<float>> vectors;
  for (size_t i = 0; i < ids->prompts.size(); ++i) {
    if (call.exchange->gone()) return;
    auto vector = b.Embed(std::move(ids->prompts[i]));
    if (!vector.ok()) {
      return service.SendError(
          call, MakeError(400, fmt::format("input {}: {}", i, vector.status().message()), "input"));
    }
    vectors.push_back(*std::move(vector));
  }
  allowance.reset();
  service.SendJson(call, EmbeddingReply(*parsed, b.embedding_name(), vectors, tokens));
}

}  // namespace wring::server
