// SHA-256 through libcrypto's EVP interface, which takes the CPU's own instructions where it has them.
#include "format/digest.h"

#include <openssl/evp.h>

#include <array>
#include <memory>
#include <stdexcept>

namespace icepoint {

std::string sha256(const std::vector<std::span<const uint8_t>>& parts) {
  const std::unique_ptr<EVP_MD_CTX, void (*)(EVP_MD_CTX*)> context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  bool good = context && EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr) == 1;
  for (const auto& part : parts)
    good = good && EVP_DigestUpdate(context.get(), part.data(), part.size()) == 1;
  std::array<uint8_t, 32> hash{};
  unsigned length = 0;
  good = good && EVP_DigestFinal_ex(context.get(), hash.data(), &length) == 1 && length == hash.size();
  if (!good) throw std::runtime_error("sha256: libcrypto refuses to compute it");
  std::string hex;
  for (uint8_t byte : hash) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace icepoint
