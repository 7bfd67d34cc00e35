// GET /v1/models, /v1/models/NAME: OpenAI's fields and Anthropic's, whose clients ask the same paths.
#include <ctime>
#include <nlohmann/json.hpp>

#include "server/prompt.h"
#include "server/routes/routes.h"

namespace wring::server {
namespace {

using Json = nlohmann::ordered_json;

std::string Rfc3339(std::time_t time) {
  std::tm utc = {};
  gmtime_r(&time, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", utc.tm_year + 1900, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

// Those that are served: one that writes, one that embeds, or both.
Json Served(Backend& b) {
  Json data = Json::array();
  const auto add = [&](const std::string& name, uint32_t context) {
    data.push_back({{"id", name},
                    {"object", "model"},
                    {"created", b.loaded_at()},
                    {"owned_by", "wring"},
                    {"type", "model"},
                    {"display_name", name},
                    {"created_at", Rfc3339(b.loaded_at())},
                    {"max_model_len", context}});
  };
  if (b.engine() != nullptr) add(b.name(), b.engine()->context());
  if (b.encoder() != nullptr) add(b.embedding_name(), b.encoder()->spec.context);
  return data;
}

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

void ListModels(Service& service, const Call& call) {
  Json data = Served(*service.backend());
  Json body = {{"object", "list"}, {"has_more", false}};
  body["first_id"] = data.front()["id"];
  body["last_id"] = data.back()["id"];
  body["data"] = std::move(data);
  service.SendJson(call, Dump(body));
}

void ShowModel(Service& service, const Call& call) {
  Backend& b = *service.backend();
  for (const auto& model : Served(b)) {
    if (model["id"] == call.rest) return service.SendJson(call, Dump(model));
  }
  const std::string& served = b.engine() != nullptr ? b.name() : b.embedding_name();
  service.SendError(call, *CheckModel(std::string(call.rest), served));
}

}  // namespace wring::server
