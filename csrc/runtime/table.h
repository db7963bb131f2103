// Words, numbers and tables for a terminal: what the executable prints and Python shows.
#pragma once

#include <iosfwd>
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

}  // namespace icepoint
