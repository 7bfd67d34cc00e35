// GET /v1/models
#include <nlohmann/json.hpp>

#include "server/routes/routes.h"

namespace wring::server {

void ListModels(Service& service, const Call& call) {
  Backend& b = *service.backend();
  nlohmann::ordered_json data = nlohmann::ordered_json::array();
  const auto add = [&](const std::string& name, uint32_t context) {
    data.push_back({{"id", name},
                    {"object", "model"},
                    {"created", b.loaded_at()},
                    {"owned_by", "wring"},
                    {"max_model_len", context}});
  };
  if (b.engine() != nullptr) add(b.name(), b.engine()->context());
  if (b.encoder() != nullptr) add(b.embedding_name(), b.encoder()->spec.context);
  const nlohmann::ordered_json body = {{"object", "list"}, {"data", std::move(data)}};
  service.SendJson(call,
                   body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace wring::server
