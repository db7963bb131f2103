// Names and quoted text: a short UTF-8 decoder is all that they need.
#include "graph/text.h"

#include <array>
#include <cstdint>

#include "core/check.h"

namespace icepoint {

namespace {

// Bytes of the clean character that opens `text`, or 0 where there is none.
size_t clean_char(std::string_view text) {
  const auto byte = [&](size_t i) -> uint32_t { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const uint32_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7F;
  if (first < 0xC2 || first > 0xF4) return 0;
  const size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
  uint32_t code = first & (0x7Fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3F);
  }
  // 0xA0: U+0080..U+009F are the C1 controls. The others are the least code of their length.
  constexpr std::array<uint32_t, 5> least{0, 0, 0xA0, 0x800, 0x10000};
  const bool surrogate = code >= 0xD800 && code <= 0xDFFF;
  return code < least[length] || code > 0x10FFFF || surrogate ? 0 : length;
}

}  // namespace

bool is_clean_text(std::string_view text) {
  while (!text.empty()) {
    const size_t length = clean_char(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string in_quotes(std::string_view text) {
  constexpr size_t kShown = 64;
  constexpr const char* digits = "0123456789abcdef";
  std::string shown = "'";
  while (!text.empty()) {
    if (shown.size() > kShown) return shown + "...'";
    const size_t length = clean_char(text);
    if (length > 0) {
      shown += text.substr(0, length);
    } else {
      const auto byte = static_cast<uint8_t>(text[0]);
      shown += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
    text.remove_prefix(length > 0 ? length : 1);
  }
  return shown + "'";
}

void check_text(const std::string& text, size_t most, const std::string& who) {
  require(text.size() <= most, who, ": ", text.size(), " bytes are more than ", most);
  require(is_clean_text(text), who, ": ", in_quotes(text), " is not UTF-8 without control characters");
}

void check_name(const std::string& name, const std::string& who) {
  require(!name.empty() && name.size() <= kMaxNameBytes, who, ".name: ", name.size(), " bytes are not in 1..",
          kMaxNameBytes);
  require(is_clean_text(name), who, ".name: ", in_quotes(name), " is not UTF-8 without control characters");
  require(!name.starts_with("self_check") && !name.starts_with("__"), who, ".name: ", in_quotes(name),
          " opens with 'self_check' or '__', which the file format keeps for itself");
}

}  // namespace icepoint
