// Which certificates are trusted.
#pragma once

#include <openssl/ssl.h>

#include "base/result.h"

namespace wring::net {

// Loads $SSL_CERT_FILE when it is set, else the system's store. Neither may be missing: a connection that
// cannot be verified is not made.
Status LoadCertificates(SSL_CTX* context);

}  // namespace wring::net
