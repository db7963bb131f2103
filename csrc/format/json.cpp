// The strict tree on nlohmann's SAX parser, which checks UTF-8 and grammar; the rest is checked here.
#include "format/json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/float_env.h"
#include "format/layout.h"
#include "graph/text.h"

namespace icepoint {

namespace {

// Builds the tree; returning false stops the parser.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(const std::string& who) : who_(who) {}

  bool null() override { return add(Json::Kind::null); }
  bool boolean(bool value) override { return add(Json::Kind::boolean, value); }
  bool number_integer(int64_t value) override {
    // The parser calls this for numbers with a minus sign alone, so 0 was "-0", which is no integer.
    return value == 0 ? add(Json::Kind::real, 0, "-0") : add(Json::Kind::integer, value);
  }
  bool number_unsigned(uint64_t value) override {
    return value <= INT64_MAX ? add(Json::Kind::integer, static_cast<int64_t>(value))
                              : add(Json::Kind::real, 0, std::to_string(value));
  }
  bool number_float(double, const std::string& digits) override {
    // The parser has put the locale's decimal point in place of the dot.
    std::string plain = digits;
    for (char& c : plain)
      if (std::string_view("0123456789+-eE").find(c) == std::string_view::npos) c = '.';
    return add(Json::Kind::real, 0, std::move(plain));
  }
  bool string(std::string& value) override { return add(Json::Kind::string, 0, std::move(value)); }
  bool binary(nlohmann::json::binary_t&) override { return false; }  // JSON text has none
  bool start_object(size_t) override { return open(Json::Kind::object); }
  bool start_array(size_t) override { return open(Json::Kind::array); }
  bool key(std::string& value) override {
    key_ = std::move(value);
    return true;
  }
  bool end_object() override {
    std::vector<Json>& members = open_.back()->items;
    const auto by_key = [](const Json& a, const Json& b) { return a.key < b.key; };
    std::sort(members.begin(), members.end(), by_key);
    const auto same = [](const Json& a, const Json& b) { return a.key == b.key; };
    const auto twice = std::adjacent_find(members.begin(), members.end(), same);
    if (twice != members.end()) return refuse("the key " + in_quotes(twice->key) + " occurs twice");
    return end_array();
  }
  bool end_array() override {
    open_.pop_back();
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::json::exception&) override {
    return refuse("not strict JSON at byte " + std::to_string(position));
  }

  Json finish() {
    if (!error_.empty()) fail(who_, ": ", error_);
    return std::move(root_);
  }

 private:
  bool refuse(std::string error) {
    if (error_.empty()) error_ = std::move(error);
    return false;
  }
  bool add(Json::Kind kind, int64_t integer = 0, std::string text = {}) {
    if (++values_ > kMaxJsonValues) return refuse("more than " + std::to_string(kMaxJsonValues) + " values");
    Json value{kind, integer, {}, std::move(text), {}};
    if (open_.empty()) return root_ = std::move(value), true;
    if (open_.back()->kind == Json::Kind::object) value.key = std::move(key_);
    open_.back()->items.push_back(std::move(value));
    return true;
  }
  bool open(Json::Kind kind) {
    if (open_.size() >= kMaxJsonDepth) return refuse("nested deeper than " + std::to_string(kMaxJsonDepth));
    if (!add(kind)) return false;
    // Pointers stay good: only the innermost open container grows.
    open_.push_back(open_.empty() ? &root_ : &open_.back()->items.back());
    return true;
  }

  const std::string& who_;
  Json root_;
  std::vector<Json*> open_;
  std::string key_, error_;
  size_t values_ = 0;
};

const char* name_of(Json::Kind kind) {
  constexpr std::array names{"null",     "true or false", "an integer", "a number",
                             "a string", "a list",        "an object"};
  return names[static_cast<size_t>(kind)];
}

}  // namespace

const Json* Json::find(std::string_view member) const {
  const auto below = [](const Json& a, std::string_view b) { return a.key < b; };
  const auto at = std::lower_bound(items.begin(), items.end(), member, below);
  return kind == Kind::object && at != items.end() && at->key == member ? &*at : nullptr;
}

Json parse_json(std::string_view text, const std::string& who, char opening) {
  require(text.size() <= kMaxHeaderBytes, who, ": ", text.size(), " bytes are more than ", kMaxHeaderBytes);
  // The parser skips a byte order mark and takes NUL for the end.
  require(text.starts_with(opening), who, ": does not open with '", opening, "'");
  const size_t nul = text.find('\0');
  require(nul == std::string_view::npos, who, ": NUL at byte ", nul);
  Builder builder(who);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.finish();
}

const Json& require_kind(const Json& value, Json::Kind kind, const std::string& path) {
  require(value.kind == kind, path, ": found ", name_of(value.kind), ", expected ", name_of(kind));
  return value;
}

const Json& require_member(const Json& object, std::string_view key, const std::string& path) {
  const Json* value = require_kind(object, Json::Kind::object, path).find(key);
  require(value != nullptr, path, ".", key, ": absent");
  return *value;
}

void require_known(const Json& object, std::initializer_list<std::string_view> known,
                   const std::string& path) {
  for (const Json& member : require_kind(object, Json::Kind::object, path).items)
    if (std::find(known.begin(), known.end(), member.key) == known.end())
      fail(path, ": unknown key ", in_quotes(member.key));
}

int64_t to_int(const Json& value, const std::string& path) {
  return require_kind(value, Json::Kind::integer, path).integer;
}

bool to_bool(const Json& value, const std::string& path) {
  return require_kind(value, Json::Kind::boolean, path).integer != 0;
}

const std::string& to_text(const Json& value, const std::string& path) {
  return require_kind(value, Json::Kind::string, path).text;
}

float to_float(const Json& value, const std::string& path) {
  FloatEnv env;
  const std::string text = value.kind == Json::Kind::integer ? std::to_string(value.integer) : value.text;
  if (value.kind != Json::Kind::integer) require_kind(value, Json::Kind::real, path);
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool read = error == std::errc() && end == text.data() + text.size();
  // Far outside float32 first: converting such a double would be undefined.
  require(read && std::abs(number) <= 0x1p127 && static_cast<double>(static_cast<float>(number)) == number,
          path, ": ", in_quotes(text), " is not exactly a float32");
  return static_cast<float>(number);
}

std::vector<int64_t> to_ints(const Json& value, const std::string& path) {
  std::vector<int64_t> ints;
  for (const Json& item : require_kind(value, Json::Kind::array, path).items)
    ints.push_back(to_int(item, path));
  return ints;
}

std::string emit_text(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string emit_float(float value) {
  FloatEnv env;
  // The double's digits: whoever reads them as a double has the float32, with no second rounding.
  std::array<char, 32> digits;
  const auto end =
      std::to_chars(digits.data(), digits.data() + digits.size(), static_cast<double>(value)).ptr;
  return {digits.data(), end};
}

std::string emit_list(const std::vector<std::string>& items) {
  std::string out = "[";
  for (const std::string& item : items) (out += out.size() > 1 ? "," : "") += item;
  return out + "]";
}

std::string emit_object(const std::map<std::string, std::string>& members) {
  std::string out = "{";
  for (const auto& [key, value] : members)
    ((out += out.size() > 1 ? "," : "") += emit_text(key) += ":") += value;
  return out + "}";
}

}  // namespace icepoint
