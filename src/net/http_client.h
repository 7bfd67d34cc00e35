// The transport of the product: Boost.Beast over TCP, OpenSSL for https.
#pragma once

#include <memory>

#include "net/http.h"

namespace wring::net {

// Certificates are always verified, against $SSL_CERT_FILE or the system's store, which is read when the
// first https address is asked.
std::unique_ptr<Transport> MakeHttpClient(const Limits& limits, Cancelled cancelled);

}  // namespace wring::net
