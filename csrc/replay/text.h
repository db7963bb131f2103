// Words and numbers for a terminal.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace icepoint {

/// `text` with every byte that could steer a terminal or break the line as \xNN: control characters
/// of ASCII and of Unicode (U+0080..9F), and what is no UTF-8. A stranger's file, layer or class name
/// is printed through this.
std::string printable(std::string_view text);

/// "%.*f" and thousands apart: 12345.6 -> "12,345.6".
std::string decimal(double value, int digits);
/// 1536 -> "1.5 KiB".
std::string bytes_text(int64_t bytes);

/// A table whose columns are as wide as their widest cell; cells are made printable.
class Table {
 public:
  /// No line of titles where all are empty. A title that begins with '>' is a column of numbers: the '>'
  /// goes, the column aligns right.
  explicit Table(const std::vector<std::string>& titles);
  void add(std::vector<std::string> cells);
  void print(std::ostream&) const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;
};

/// Prints indented JSON and a line feed; bytes that are no UTF-8 become U+FFFD.
void print_json(const nlohmann::ordered_json&);

}  // namespace icepoint
