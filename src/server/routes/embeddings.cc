// POST /v1/embeddings
#include <cmath>
#include <nlohmann/json.hpp>

#include "server/api/base64.h"
#include "server/api/parse.h"
#include "server/prompt.h"
#include "server/routes/routes.h"

namespace wring::server {
namespace {

// The first `dimensions` values, of length 1 again.
void Shorten(std::vector<float>* vector, uint32_t dimensions) {
  if (dimensions == 0 || dimensions >= vector->size()) return;
  vector->resize(dimensions);
  double squares = 0;
  for (const float v : *vector) squares += static_cast<double>(v) * v;
  const double scale = squares > 0 ? 1 / std::sqrt(squares) : 0;
  for (float& v : *vector) v = static_cast<float>(v * scale);
}

}  // namespace

void Embeddings(Service& service, const Call& call) {
  Backend& b = *service.backend();
  if (b.encoder() == nullptr) {
    return service.SendError(call, MakeError(400,
                                             "this server has no embedding model: start it with "
                                             "--embedding-model MODEL, such as all-minilm-l6-v2"));
  }
  const Model& model = *b.encoder();
  ParseContext context;
  context.vocab_size = model.spec.vocab;
  context.embedding_width = model.spec.hidden;
  auto parsed = ParseEmbedding(call.exchange->request().body, context);
  if (!parsed.ok()) return service.SendError(call, parsed.error());
  if (auto error = CheckModel(parsed->model, b.embedding_name())) {
    return service.SendError(call, *error);
  }
  GenerateCall texts;
  texts.prompts = parsed->inputs;
  texts.add_special_tokens = parsed->add_special_tokens;
  auto ids = EncodePrompts(model, texts);
  if (!ids.ok()) return service.SendError(call, ids.error());
  using Json = nlohmann::ordered_json;
  Json data = Json::array();
  uint64_t tokens = 0;
  for (size_t i = 0; i < ids->prompts.size(); ++i) {
    if (call.exchange->gone()) return;
    tokens += ids->prompts[i].size();
    auto vector = b.Embed(std::move(ids->prompts[i]));
    if (!vector.ok()) {
      return service.SendError(
          call, MakeError(400, fmt::format("input {}: {}", i, vector.status().message()), "input"));
    }
    Shorten(&*vector, parsed->dimensions);
    Json entry = {{"object", "embedding"}, {"index", i}};
    if (parsed->base64) {
      entry["embedding"] = Base64(std::as_bytes(std::span(*vector)));
    } else {
      entry["embedding"] = *vector;
    }
    data.push_back(std::move(entry));
  }
  const Json body = {{"object", "list"},
                     {"data", std::move(data)},
                     {"model", b.embedding_name()},
                     {"usage", {{"prompt_tokens", tokens}, {"total_tokens", tokens}}}};
  service.SendJson(call, body.dump(-1, ' ', false, Json::error_handler_t::replace));
}

}  // namespace wring::server
