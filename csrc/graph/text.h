// Names and quoted text: what may stand in a file, and how a stranger's text is shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace icepoint {

inline constexpr size_t kMaxNameBytes = 256;

/// Valid UTF-8 (shortest forms, no surrogates) without control characters (C0, DEL, C1), so that
/// printing it cannot steer a terminal.
bool is_clean_text(std::string_view text);

/// `text` in single quotes for a message: what is not clean as \xHH, cut after 64 bytes.
std::string in_quotes(std::string_view text);

/// "ops[3]": entry `i` of a list, as messages name it.
inline std::string place(const char* list, size_t i) {
  return std::string(list) + "[" + std::to_string(i) + "]";
}

/// Requires clean text of at most `most` bytes; `who` opens the message.
void check_text(const std::string& text, size_t most, const std::string& who);

/// Requires 1..256 bytes of clean text that open with neither "self_check" nor "__": those names
/// belong to the file format.
void check_name(const std::string& name, const std::string& who);

}  // namespace icepoint
