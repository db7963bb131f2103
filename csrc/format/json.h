// Strict JSON: text to a small tree with exact numbers, and the canonical spelling back.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace icepoint {

/// One value. Objects hold their members in `items`, sorted by key; keys are unique.
struct Json {
  enum class Kind : uint8_t { null, boolean, integer, real, string, array, object };
  Kind kind = Kind::null;
  int64_t integer = 0;      // integer; boolean as 0 or 1
  std::string key;          // of a member of an object
  std::string text;         // string: its bytes; real: its digits as written
  std::vector<Json> items;  // array, object

  const Json* find(std::string_view member) const;
};

/// Parses one document that begins with `opening`, '{' or '[', and ends, white space apart, with its '}' or
/// ']'. Refuses what RFC 8259 leaves open: duplicate keys, bad UTF-8, lone surrogates, byte order marks, NUL,
/// nesting beyond 8, more than 2^20 values. `who` opens the messages. Throws std::invalid_argument.
Json parse_json(std::string_view text, const std::string& who, char opening = '{');

// Typed access. `path` names the value in messages: "ops[12].stride". All throw std::invalid_argument.
const Json& require_kind(const Json&, Json::Kind, const std::string& path);
const Json& require_member(const Json& object, std::string_view key, const std::string& path);
/// Requires that every key of `object` is in `known`.
void require_known(const Json& object, std::initializer_list<std::string_view> known,
                   const std::string& path);
/// 2.0, 2e0, -0 and what passes int64 are not integers.
int64_t to_int(const Json&, const std::string& path);
bool to_bool(const Json&, const std::string& path);
const std::string& to_text(const Json&, const std::string& path);
/// A number whose double value is exactly a float32; integers too.
float to_float(const Json&, const std::string& path);
std::vector<int64_t> to_ints(const Json&, const std::string& path);

// The canonical spelling. emit_text takes clean text only (graph/text.h), or JSON made here.
std::string emit_text(std::string_view text);
std::string emit_float(float value);
std::string emit_list(const std::vector<std::string>& items);
std::string emit_object(const std::map<std::string, std::string>& members);
template <class Ints>
std::string emit_ints(const Ints& values) {
  std::vector<std::string> items;
  for (int64_t v : values) items.push_back(std::to_string(v));
  return emit_list(items);
}

}  // namespace icepoint
