#include "net/certificates.h"

#include <openssl/err.h>

#include <cstdlib>
#include <filesystem>

namespace wring::net {
namespace {

// Debian and Ubuntu; Fedora; Alpine; openSUSE. The library is linked statically, so the path that was built
// into it says nothing about the machine it runs on.
constexpr const char* kBundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
};
constexpr const char* kFolder = "/etc/ssl/certs";  // one file a certificate, named by hash

}  // namespace

Status LoadCertificates(SSL_CTX* context) {
  std::error_code ignored;
  ERR_clear_error();
  if (const char* file = std::getenv("SSL_CERT_FILE"); file != nullptr && *file != '\0') {
    if (!std::filesystem::exists(file, ignored)) {
      return Error(Code::kNotFound,
                   "{}: there is no such file of certificates: correct SSL_CERT_FILE", file);
    }
    if (SSL_CTX_load_verify_file(context, file) != 1) {
      return Error(Code::kCorrupt,
                   "{}: holds no certificates that can be read: correct SSL_CERT_FILE", file);
    }
    return {};
  }
  for (const char* bundle : kBundles) {
    if (std::filesystem::exists(bundle, ignored) &&
        SSL_CTX_load_verify_file(context, bundle) == 1) {
      return {};
    }
  }
  if (std::filesystem::is_directory(kFolder, ignored) &&
      !std::filesystem::is_empty(kFolder, ignored) &&
      SSL_CTX_load_verify_dir(context, kFolder) == 1) {
    return {};
  }
  return Error(Code::kNotFound,
               "{} has no certificates to verify the other side with: install the package "
               "ca-certificates, or set SSL_CERT_FILE to a file of them",
               kFolder);
}

}  // namespace wring::net
