// GET /metrics
#include "server/routes/routes.h"

namespace wring::server {

void ShowMetrics(Service& service, const Call& call) {
  service.Send(call, {200, Metrics::kContentType, service.metrics().Render(), {}});
}

}  // namespace wring::server
