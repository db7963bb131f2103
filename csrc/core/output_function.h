// What stands between the codes of an output and the reals that run() gives: softmax, argmax and the like.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/qparams.h"
#include "core/shape.h"

namespace icepoint {

/// The last function of a network, computed behind the integers: in double, from dequantized codes.
struct OutputFunction {
  enum class Kind : uint8_t { none, softmax, log_softmax, sigmoid, argmax };
  Kind kind = Kind::none;
  int64_t axis = 0;      // without the batch; 0 for none and sigmoid, which take each code alone
  bool keepdim = false;  // argmax: the axis stays, one long
  bool operator==(const OutputFunction&) const = default;
};

// float32 holds every index below this, so that argmax may give its answers in it.
inline constexpr int64_t kMaxArgmax = int64_t{1} << 24;

/// "softmax", ...; "none".
const char* name_of(OutputFunction::Kind);

/// Requires an axis of `shape` (rank 1..3), and for argmax at most 2^24 codes along it; `who` opens messages.
void check_output_function(const OutputFunction&, const Shape& shape, const std::string& who);

/// The shape of the reals: that of the codes, without argmax's axis.
Shape shape_after(const OutputFunction&, const Shape& shape);

/// n images of codes wherever they lie: `step` holds the distances along (c, h, w), (1, t, f) or (1, 1, f),
/// `image` that between two images.
struct LaidCodes {
  const uint8_t* data = nullptr;
  int64_t image = 0;
  std::array<int64_t, 3> step{};
};
LaidCodes dense_codes(const uint8_t* codes, const Shape& shape);

/// Lines of codes in one image that the function takes one by one: those along its axis.
int64_t lines_of(const OutputFunction&, const Shape& shape);

/// Reals of one image: the elements of shape_after.
int64_t reals_of(const OutputFunction&, const Shape& shape);

/// Lines begin..end, of all images, to `y`, dense, (n, ...) of shape_after. With r = float32(q - zero_point)
/// * scale and m the greatest r of a line, in double and in the order of the axis:
///   softmax exp(r - m) / sum, log_softmax (r - m) - log(sum), sum = 1 + the exp(r' - m) of all other codes;
///   sigmoid 1 / (1 + exp(-r)); argmax the index of the first greatest code; none r.
/// T float: rounded once at the end. T double: not rounded.
template <class T>
void apply(const OutputFunction&, const QParams&, const Shape& shape, const LaidCodes&, int64_t begin,
           int64_t end, T* y);

}  // namespace icepoint
