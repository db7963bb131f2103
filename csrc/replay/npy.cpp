// The .npy header is a Python dict literal with three known keys: read by a strict scanner.
#include "replay/npy.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <string_view>
#include <type_traits>

#include "core/check.h"

namespace icepoint {
namespace {

constexpr size_t kMaxHeader = 4096, kMaxRank = 8;
constexpr std::string_view kMagic = "\x93NUMPY";

struct Header {
  std::string descr;
  bool fortran_order = false;
  Shape shape;
};

/// Scans {'descr': '<f4', 'fortran_order': False, 'shape': (1, 28), } in any order of keys.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}

  Header header() {
    Header h;
    std::set<std::string> keys;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      require(keys.insert(key).second, "npy header: '", key, "' occurs twice");
      expect(':');
      if (key == "descr")
        h.descr = string();
      else if (key == "fortran_order")
        h.fortran_order = boolean();
      else if (key == "shape")
        h.shape = tuple();
      else
        fail("npy header: unknown key '", key, "'");
      if (accept(',')) continue;
      expect('}');
      break;
    }
    skip_space();
    require(text_.empty() && keys.size() == 3,
            "npy header: expected descr, fortran_order, shape and no more");
    return h;
  }

 private:
  void skip_space() {
    while (!text_.empty() && (text_.front() == ' ' || text_.front() == '\n')) text_.remove_prefix(1);
  }
  bool accept(char c) {
    skip_space();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  void expect(char c) { require(accept(c), "npy header: no '", c, "' where one is expected"); }

  std::string string() {
    skip_space();
    require(!text_.empty() && (text_[0] == '\'' || text_[0] == '"'),
            "npy header: expected a quoted word (structured arrays are not read)");
    const size_t end = text_.find(text_[0], 1);
    require(end != text_.npos, "npy header: a quote is not closed");
    std::string word(text_.substr(1, end - 1));
    text_.remove_prefix(end + 1);
    return word;
  }
  bool boolean() {
    skip_space();
    for (const bool value : {false, true}) {
      const std::string_view word = value ? "True" : "False";
      if (!text_.starts_with(word)) continue;
      text_.remove_prefix(word.size());
      return value;
    }
    fail("npy header: expected True or False");
  }
  Shape tuple() {
    Shape shape;
    expect('(');
    while (!accept(')')) {
      skip_space();
      const size_t digits = std::min(text_.find_first_not_of("0123456789"), text_.size());
      // 18 digits always fit int64.
      require(digits >= 1 && digits <= 18, "npy header: a dimension has to be a whole number below 10^18");
      require(shape.size() < kMaxRank, "npy header: rank above ", kMaxRank);
      shape.push_back(std::stoll(std::string(text_.substr(0, digits))));
      text_.remove_prefix(digits);
      if (accept(',')) continue;
      expect(')');
      break;
    }
    return shape;
  }

  std::string_view text_;
};

}  // namespace

Tensor parse_npy(const Bytes& file) {
  constexpr size_t kVersion = kMagic.size(), kLength = kVersion + 2;
  require(file.size() >= kLength + 4 && std::memcmp(file.data(), kMagic.data(), kMagic.size()) == 0,
          "not a .npy file");
  const int version = file[kVersion];
  require_range(version, 1, 3, "npy version");
  size_t length = 0, start = kLength + (version == 1 ? 2 : 4);
  for (size_t i = start; i-- > kLength;) length = length << 8 | file[i];
  require(length <= kMaxHeader && start + length <= file.size(), "npy header: length ", length,
          " is beyond the file or above ", kMaxHeader);
  const Header h = Scanner({reinterpret_cast<const char*>(file.data()) + start, length}).header();
  start += length;

  Tensor tensor;
  if (h.descr == "<f4")
    tensor.dtype = DType::f32;
  else
    require(h.descr == "|u1" || h.descr == "<u1", "npy: dtype '", h.descr,
            "', expected float32 or uint8; save x.astype(numpy.float32) or x.astype(numpy.uint8)");
  require(!h.fortran_order || h.shape.size() < 2,
          "npy: Fortran order, expected C order; save numpy.ascontiguousarray(x)");
  const auto count = numel(h.shape);
  const size_t size = static_cast<size_t>(size_of(tensor.dtype)), payload = file.size() - start;
  require(
      count && static_cast<size_t>(*count) <= payload / size && static_cast<size_t>(*count) * size == payload,
      "npy: ", to_string(h.shape), " of ", h.descr, " does not fill the ", payload,
      " bytes after the header");
  tensor.shape = h.shape;
  std::shared_ptr<uint8_t> data(new uint8_t[payload + 1], std::default_delete<uint8_t[]>());
  std::copy(file.begin() + static_cast<std::ptrdiff_t>(start), file.end(), data.get());
  tensor.data = std::move(data);
  return tensor;
}

template <class T>
Bytes format_npy(const std::vector<T>& elements, const Shape& shape) {
  std::string tuple = to_string(shape);
  if (shape.size() == 1) tuple.insert(tuple.size() - 1, 1, ',');  // (3,) as Python writes it
  std::string header = std::string("{'descr': '") + (std::is_same_v<T, float> ? "<f4" : "|u1") +
                       "', 'fortran_order': False, 'shape': " + tuple + ", }";
  constexpr size_t kPrefix = 10, kAlign = 64;
  header.append(kAlign - 1 - (kPrefix + header.size()) % kAlign, ' ');
  header += '\n';
  Bytes bytes(kMagic.begin(), kMagic.end());
  for (const size_t b : {size_t{1}, size_t{0}, header.size() % 256, header.size() / 256})
    bytes.push_back(static_cast<uint8_t>(b));
  bytes.insert(bytes.end(), header.begin(), header.end());
  const auto* raw = reinterpret_cast<const uint8_t*>(elements.data());
  bytes.insert(bytes.end(), raw, raw + elements.size() * sizeof(T));
  return bytes;
}

template Bytes format_npy(const std::vector<float>&, const Shape&);
template Bytes format_npy(const std::vector<uint8_t>&, const Shape&);

}  // namespace icepoint
