#include "hub/digest.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace wring::hub {

void Digest::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Digest::Digest(const evp_md_st* kind) {
  // The same start as for connections: no configuration of another version of the library.
  OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr);
  context_.reset(EVP_MD_CTX_new());
  // Both are in the library itself, so this fails only without memory; Hex() is then empty and no
  // file is taken for whole.
  if (context_ && EVP_DigestInit_ex(context_.get(), kind, nullptr) != 1) {
    context_.reset();
  }
}

Digest Digest::Sha256() { return Digest(EVP_sha256()); }

Digest Digest::GitBlob(uint64_t size) {
  Digest digest(EVP_sha1());
  const auto head = fmt::format("blob {}", size);
  digest.Update(std::as_bytes(std::span(head.c_str(), head.size() + 1)));
  return digest;
}

void Digest::Update(std::span<const std::byte> bytes) {
  if (context_ && EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()) != 1) {
    context_.reset();
  }
}

std::string Digest::Hex() {
  unsigned char value[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!context_ || EVP_DigestFinal_ex(context_.get(), value, &size) != 1) return "";
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", value[i]);
  context_.reset();
  return text;
}

}  // namespace wring::hub
