// Escaping, numbers, tables.
#include "runtime/table.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ostream>

namespace icepoint {
namespace {

/// Bytes of the well-formed UTF-8 character at the start of `s` (Unicode's table 3-7), else 0.
size_t utf8_length(std::string_view s) {
  const auto at = [&](size_t i) { return i < s.size() ? static_cast<uint8_t>(s[i]) : uint8_t{0}; };
  const auto continues = [&](size_t i) { return (at(i) & 0xC0) == 0x80; };
  const uint8_t a = at(0), b = at(1);
  if (a < 0x80) return 1;
  if (a >= 0xC2 && a <= 0xDF) return continues(1) ? 2 : 0;
  if (a >= 0xE0 && a <= 0xEF) {
    const bool overlong = a == 0xE0 && b < 0xA0, surrogate = a == 0xED && b > 0x9F;
    return continues(1) && continues(2) && !overlong && !surrogate ? 3 : 0;
  }
  if (a >= 0xF0 && a <= 0xF4) {
    const bool outside = (a == 0xF0 && b < 0x90) || (a == 0xF4 && b > 0x8F);
    return continues(1) && continues(2) && continues(3) && !outside ? 4 : 0;
  }
  return 0;
}

/// Characters of a printable text; wide ones count once.
size_t columns(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(),
                                           [](char c) { return (static_cast<uint8_t>(c) & 0xC0) != 0x80; }));
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const uint8_t first = static_cast<uint8_t>(text[0]);
    const bool c1 = length == 2 && first == 0xC2 && static_cast<uint8_t>(text[1]) < 0xA0;
    const bool plain = length > 0 && first >= 0x20 && first != 0x7F && !c1;
    const size_t n = std::max<size_t>(length, 1);
    if (plain) {
      out += text.substr(0, n);
    } else {
      for (const char c : text.substr(0, n)) {
        char hex[8];
        std::snprintf(hex, sizeof(hex), "\\x%02x", static_cast<unsigned>(static_cast<uint8_t>(c)));
        out += hex;
      }
    }
    text.remove_prefix(n);
  }
  return out;
}

std::string decimal(double value, int digits) {
  char buffer[400];  // the largest double has 309 digits before the point
  std::snprintf(buffer, sizeof(buffer), "%.*f", digits, value);
  std::string text = buffer;
  const size_t point = std::min(text.find('.'), text.size()), first = text[0] == '-' ? 1 : 0;
  for (size_t i = point; i > first + 3; i -= 3) text.insert(i - 3, 1, ',');
  return text;
}

Table::Table(const std::vector<std::string>& titles) {
  rows_.emplace_back();
  for (const std::string& title : titles) {
    right_.push_back(title.starts_with('>'));
    rows_[0].push_back(title.substr(right_.back() ? 1 : 0));
  }
}

void Table::add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = printable(cell);
  cells.resize(right_.size());
  rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out) const {
  std::vector<size_t> widths(right_.size(), 0);
  for (const auto& row : rows_)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  for (const auto& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - columns(row[i]), ' ');
      line += (i ? "  " : "") + (right_[i] ? space + row[i] : row[i] + space);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    if (&row != &rows_.front() || !line.empty()) out << line << '\n';
  }
}

}  // namespace icepoint
