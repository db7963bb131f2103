// The texts of text.h.
#include "replay/text.h"

#include <array>
#include <iostream>
#include <nlohmann/json.hpp>

#include "runtime/table.h"

namespace icepoint {

std::string bytes_text(int64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return decimal(value, unit == 0 ? 0 : 1) + " " + kUnits[unit];
}

void print_json(const nlohmann::ordered_json& json) {
  std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << '\n';
}

}  // namespace icepoint
