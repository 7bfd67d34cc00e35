// The two hashes by which the hub names a file's content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX
struct evp_md_st;      // and EVP_MD

namespace wring::hub {

class Digest {
 public:
  static Digest Sha256();
  // Git's name of a file of `size` bytes: SHA-1 over "blob SIZE\0" and the bytes.
  static Digest GitBlob(uint64_t size);

  void Update(std::span<const std::byte> bytes);
  // Lower-case hex digits. Ends the digest.
  std::string Hex();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  explicit Digest(const evp_md_st* kind);

  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace wring::hub
