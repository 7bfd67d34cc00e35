#include "server/http/exchange.h"

namespace wring::server {

std::string_view HttpRequest::Header(const std::string& lower_case_name) const {
  const auto it = headers.find(lower_case_name);
  return it == headers.end() ? std::string_view() : it->second;
}

}  // namespace wring::server
