// GET /health: the process lives. GET /ready: it can answer.
#include "server/routes/routes.h"

namespace wring::server {

void Health(Service& service, const Call& call) { service.SendJson(call, R"({"status":"ok"})"); }

void Ready(Service& service, const Call& call) {
  std::string why = service.load_error();
  if (service.draining()) {
    why = "the server is shutting down";
  } else if (why.empty() && service.backend() == nullptr) {
    why = "the model is being loaded";
  }
  if (why.empty()) return service.SendJson(call, R"({"status":"ready"})");
  ApiError error = MakeError(503, why);
  error.retry_after = 1;
  service.SendError(call, error);
}

}  // namespace wring::server
