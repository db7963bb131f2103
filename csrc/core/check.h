// Errors at the doors: one way to say who, what was found, what was expected.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace icepoint {

/// Throws std::invalid_argument whose text is the concatenation of `parts`.
/// The text says who, what was found, what was expected: "qconv2d.stride: 0 is not in 1..65535".
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw std::invalid_argument(text.str());
}

/// fail(parts...) unless `ok`. For doors only (ops, reader, Python, main); inside, use assert.
template <class... Parts>
void require(bool ok, const Parts&... parts) {
  if (!ok) [[unlikely]]
    fail(parts...);
}

/// Requires lo <= value <= hi: "<who>: <value> is not in lo..hi".
template <class Int>
void require_range(Int value, long long lo, long long hi, const std::string& who) {
  if (static_cast<long long>(value) < lo || static_cast<long long>(value) > hi) [[unlikely]]
    fail(who, ": ", static_cast<long long>(value), " is not in ", lo, "..", hi);
}

}  // namespace icepoint
