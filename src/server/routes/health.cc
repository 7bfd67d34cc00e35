// GET /health: the process lives, and whether it should be started again soon. GET /ready: it can answer.
#include "server/routes/routes.h"

namespace wring::server {

void Health(Service& service, const Call& call) {
  if (!Grammar::Lost().refuses()) return service.SendJson(call, R"({"status":"ok"})");
  service.SendJson(
      call, R"({"status":"degraded","reason":"grammars or templates are refused because )"
            R"(those that had to be stopped hold too much memory: start the server again"})");
}

void Ready(Service& service, const Call& call) {
  std::string why;
  if (service.draining()) {
    why = "the server is shutting down";
  } else if (service.backend() == nullptr) {
    why = "the model is being loaded";
  }
  if (why.empty()) return service.SendJson(call, R"({"status":"ready"})");
  ApiError error = MakeError(503, why);
  error.retry_after = 1;
  service.SendError(call, error);
}

}  // namespace wring::server
