// What only keys with "admin": true may ask.
#include <nlohmann/json.hpp>

#include "server/routes/routes.h"

namespace wring::server {

// POST /admin/clear-cache: cached prefixes that nobody uses go.
void ClearCache(Service& service, const Call& call) {
  if (Engine* engine = service.backend()->engine()) engine->ClearPrefixCache();
  service.SendJson(call, R"({"status":"ok"})");
}

// GET /admin/status
void AdminStatus(Service& service, const Call& call) {
  Backend* b = service.backend();
  nlohmann::ordered_json body;
  body["state"] = service.draining() ? "draining" : b != nullptr ? "ready" : "loading";
  body["in_flight"] = service.in_flight();
  if (b != nullptr && b->engine() != nullptr) {
    body["model"] = b->generator()->path;
    body["context"] = b->engine()->context();
    body["pool_bytes"] = b->engine()->pool_bytes();
    body["kv_codec"] = Codec(b->engine()->codec()).name;
    body["tool_call_format"] = CallFormatName(b->call_format());
  }
  service.SendJson(call,
                   body.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
}

}  // namespace wring::server
