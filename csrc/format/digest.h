// SHA-256 as lower-case hex.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace icepoint {

/// Of all parts, as if joined. libcrypto's; throws std::runtime_error where it refuses.
std::string sha256(const std::vector<std::span<const uint8_t>>& parts);
inline std::string sha256(std::span<const uint8_t> bytes) {
  return sha256(std::vector{bytes});
}

}  // namespace icepoint
