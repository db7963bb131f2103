// Sizes in words, and JSON, for stdout.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

namespace icepoint {

/// 1536 -> "1.5 KiB".
std::string bytes_text(int64_t bytes);

/// Prints indented JSON and a line feed; bytes that are no UTF-8 become U+FFFD.
void print_json(const nlohmann::ordered_json&);

}  // namespace icepoint
