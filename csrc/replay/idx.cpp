// Parsing IDX; zlib unpacks gzip.
#include "replay/idx.h"

#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

#include "core/check.h"

namespace icepoint {
namespace {

constexpr size_t kMaxRank = 4, kHeader = 4;

/// The bytes of the file one after the other, unpacked where it is gzip.
class Source {
 public:
  explicit Source(const Bytes& file) : next_(file.data()), left_(file.size()) {
    packed_ = left_ >= 2 && next_[0] == 0x1f && next_[1] == 0x8b;
    constexpr int kGzipOnly = 16 + MAX_WBITS;
    if (packed_ && inflateInit2(&z_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Source() {
    if (packed_) inflateEnd(&z_);
  }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Bytes that can still come: deflate never expands by more than 1032.
  int64_t at_most() const { return static_cast<int64_t>(left_) * (packed_ ? 1032 : 1); }

  void read(uint8_t* to, size_t n) { require(fill(to, n) == n, "IDX: the file ends early"); }
  /// Requires that nothing follows; for gzip this also checks its CRC.
  void finish() {
    uint8_t extra;
    require(fill(&extra, 1) == 0 && left_ == 0, "IDX: bytes follow the last element");
    require(!packed_ || ended_, "IDX: the gzip stream ends early");
  }

 private:
  size_t fill(uint8_t* to, size_t n) {
    if (!packed_) {
      n = std::min(n, left_);
      std::copy_n(next_, n, to);
      next_ += n;
      left_ -= n;
      return n;
    }
    size_t done = 0;
    while (done < n && !ended_) {
      constexpr size_t kStep = size_t{1} << 30;  // zlib counts in 32 bits
      const size_t in = std::min(left_, kStep), out = std::min(n - done, kStep);
      z_.next_in = const_cast<Bytef*>(next_);
      z_.avail_in = static_cast<uInt>(in);
      z_.next_out = to + done;
      z_.avail_out = static_cast<uInt>(out);
      const int status = inflate(&z_, Z_NO_FLUSH);
      const size_t used = in - z_.avail_in, made = out - z_.avail_out;
      next_ += used;
      left_ -= used;
      done += made;
      ended_ = status == Z_STREAM_END;
      if (status == Z_BUF_ERROR || (status == Z_OK && used == 0 && made == 0))
        break;  // needs more than there is
      require(status == Z_OK || ended_, "IDX: damaged gzip data");
    }
    return done;
  }

  const uint8_t* next_;
  size_t left_;
  bool packed_ = false, ended_ = false;
  z_stream z_{};
};

}  // namespace

Tensor parse_idx(const Bytes& file) {
  Source source(file);
  uint8_t header[kHeader];
  source.read(header, kHeader);
  require(header[0] == 0 && header[1] == 0, "IDX: wrong first bytes, expected 00 00");
  require(header[2] == 0x08, "IDX: element type ", int{header[2]}, ", expected 8 (unsigned byte)");
  require_range(header[3], 1, kMaxRank, "IDX rank");
  Tensor tensor;
  for (int i = 0; i < header[3]; ++i) {
    uint8_t d[4];
    source.read(d, 4);
    tensor.shape.push_back(int64_t{d[0]} << 24 | d[1] << 16 | d[2] << 8 | d[3]);
  }
  const auto count = numel(tensor.shape);
  require(count && *count <= kMaxIdxBytes, "IDX: ", to_string(tensor.shape), " is more than ", kMaxIdxBytes,
          " bytes");
  require(*count <= source.at_most(), "IDX: ", to_string(tensor.shape), " needs ", *count,
          " bytes, more than the file can hold");
  std::shared_ptr<uint8_t> data(new uint8_t[static_cast<size_t>(*count) + 1],
                                std::default_delete<uint8_t[]>());
  source.read(data.get(), static_cast<size_t>(*count));
  source.finish();
  tensor.data = std::move(data);
  return tensor;
}

Tensor read_idx(const std::string& path) {
  const Bytes file = read_file(path);
  try {
    return parse_idx(file);
  } catch (const std::invalid_argument& e) {
    fail(path, ": ", e.what());
  }
}

}  // namespace icepoint
