// What stands between the integers of an output and the reals that run() gives: softmax, argmax and the like.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "core/qparams.h"
#include "core/shape.h"

namespace icepoint {

/// The last function of a network, computed behind the integers in double, and which integers it is of.
struct OutputFunction {
  enum class Kind : uint8_t { none, softmax, log_softmax, sigmoid, argmax };
  Kind kind = Kind::none;
  int64_t axis = 0;      // without the batch; 0 for none and sigmoid, which take each code alone
  bool keepdim = false;  // argmax: the axis stays, one long
  // The reals are those of the last layer's int32 accumulators, which no rounding to codes has touched.
  bool accumulators = false;
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

/// n images of an output's values wherever they lie, in elements: `step` holds the distances along (c, h, w),
/// (1, t, f) or (1, 1, f), `image` that between two images. The real r of a value is
///   of a code (uint8)          float32(code - zero_point) * scale
///   of an accumulator (int32)  float32(acc * scales[channel]), the product in double
///   of a real (float32)        itself
struct LaidValues {
  enum class Kind : uint8_t { codes, accumulators, reals };
  Kind kind = Kind::codes;
  const void* data = nullptr;
  int64_t image = 0;
  std::array<int64_t, 3> step{};
  QParams q{};                     // of codes
  const double* scales = nullptr;  // of accumulators, (channels)
};
LaidValues dense_reals(const float* reals, const Shape& shape);

/// Lines of values in one image that the function takes one by one: those along its axis.
int64_t lines_of(const OutputFunction&, const Shape& shape);

/// Reals of one image: the elements of shape_after.
int64_t reals_of(const OutputFunction&, const Shape& shape);

/// Lines begin..end, of all images, to `y`, dense, (n, ...) of shape_after. With m the greatest r of a line,
/// in double and in the order of the axis:
///   softmax exp(r - m) / sum, log_softmax (r - m) - log(sum), sum = 1 + the exp(r' - m) of all other values;
///   sigmoid 1 / (1 + exp(-r)); argmax the index of the first greatest r; none r.
/// T float: rounded once at the end. T double: not rounded.
template <class T>
void apply(const OutputFunction&, const Shape& shape, const LaidValues&, int64_t begin, int64_t end, T* y);

}  // namespace icepoint
