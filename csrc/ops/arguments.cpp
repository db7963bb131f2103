// The operators' other arguments: who was given what, and what was expected.
#include "ops/arguments.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "core/check.h"
#include "core/overflow.h"
#include "runtime/threads.h"

namespace icepoint::ops {
namespace {

template <size_t N>
std::array<int64_t, N> fixed(const Ints& values, const std::string& who) {
  require(values.size() == N, who, ": has ", values.size(), " elements, expected ", N);
  std::array<int64_t, N> out{};
  std::copy(values.begin(), values.end(), out.begin());
  return out;
}

}  // namespace

std::array<int64_t, 2> pair(const Ints& values, const std::string& who) {
  return fixed<2>(values, who);
}
std::array<int64_t, 4> quad(const Ints& values, const std::string& who) {
  return fixed<4>(values, who);
}

int32_t code(int64_t value, const std::string& who) {
  require_range(value, 0, 255, who);
  return static_cast<int32_t>(value);
}

OutputRange output_range(int64_t y_zero_point, int64_t qmin, int64_t qmax, const std::string& op) {
  require(0 <= qmin && qmin <= qmax && qmax <= 255, op, ": qmin, qmax are ", qmin, ", ", qmax,
          ", expected qmin <= qmax within 0..255");
  return {code(y_zero_point, op + ".y_zero_point"), static_cast<int32_t>(qmin), static_cast<int32_t>(qmax)};
}

int64_t checked_axis(int64_t axis, int64_t rank, const std::string& who) {
  require(rank > 0, who, ": ", axis, " given for a tensor of rank 0");
  require_range(axis, -rank, rank - 1, who);
  return axis < 0 ? axis + rank : axis;
}

Requantization requantization(const Tensor& multiplier, const Tensor& shift, int64_t channels,
                              OutputRange out, const std::string& op) {
  Requantization r{parameter<int32_t>(multiplier, channels, op + ".multiplier"),
                   parameter<int32_t>(shift, channels, op + ".shift"), out};
  for (size_t c = 0; c < std::max(r.multiplier.size(), r.shift.size()); ++c)
    check_multiplier(r.multiplier[r.multiplier.size() == 1 ? 0 : c], r.shift[r.shift.size() == 1 ? 0 : c],
                     op + " channel " + std::to_string(c));
  return r;
}

WeightArgument::WeightArgument(const Tensor& weight, const Tensor& zero_point,
                               const std::optional<Tensor>& bias, int64_t rank, const std::string& op,
                               int64_t transposed_groups)
    : op_(op), transposed_groups_(transposed_groups) {
  check_tensor(weight, {dtype_of<int8_t>()}, op + ".weight");
  const char* expected = transposed_groups > 0 ? "(ic, oc / groups, kh, kw)"
                         : rank == 4           ? "(oc, ic / groups, kh, kw)"
                                               : "(out, in)";
  check_rank(weight, rank, expected, op + ".weight");
  shape_ = shape_of(weight);
  for (int64_t d : shape_)
    require(d > 0, op, ".weight: has shape ", to_string(shape_),
            ", expected every dimension to be at least 1");
  codes_.emplace(weight, Order::logical);
  zero_point_ = parameter<int32_t>(zero_point, channels(), op + ".weight_zero_point");
  for (int32_t z : zero_point_) require_range(z, -128, 127, op + ".weight_zero_point");
  if (!bias) return;
  check_tensor(*bias, {dtype_of<int32_t>()}, op + ".bias");
  require(bias->dim() == 1 && bias->numel() == channels(), op, ".bias: has shape ",
          to_string(shape_of(*bias)), ", expected (", channels(), ")");
  const Dense<int32_t> values(*bias, Order::logical);
  bias_.assign(values.span().begin(), values.span().end());
}

// The codes with the output channels first: every tap of a channel in one row.
std::vector<int8_t> WeightArgument::rows() const {
  const std::span<const int8_t> codes = codes_->span();
  if (transposed_groups_ == 0) return {codes.begin(), codes.end()};
  const int64_t group_ic = shape_[0] / transposed_groups_, group_oc = shape_[1], taps = shape_[2] * shape_[3];
  std::vector<int8_t> rows(codes.size());
  for (int64_t ic = 0; ic < shape_[0]; ++ic)
    for (int64_t oc = 0; oc < group_oc; ++oc) {
      const int64_t channel = ic / group_ic * group_oc + oc;
      std::copy_n(codes.begin() + (ic * group_oc + oc) * taps, taps,
                  rows.begin() + (channel * group_ic + ic % group_ic) * taps);
    }
  return rows;
}

void WeightArgument::prove_no_overflow(int32_t x_zero_point) const {
  const std::vector<int16_t> centred = centre(rows(), zero_point_, channels());
  const int64_t taps = static_cast<int64_t>(centred.size()) / channels();
  for (int64_t c = 0; c < channels(); ++c) {
    const Bounds bare = accumulate_bounds(centred.data() + c * taps, taps, 0, x_zero_point, 255);
    const int64_t b = bias_.empty() ? 0 : bias_[static_cast<size_t>(c)];
    for (const Bounds& bounds : {bare, Bounds{bare.lo + b, bare.hi + b}})
      require(bounds.fits_int32(), op_, ": channel ", c, " can reach ", bounds.lo, "..", bounds.hi,
              " for inputs in 0..255, outside int32");
  }
}

std::array<int64_t, 2> output_size(const Window& window, int64_t h, int64_t w, bool ceil_mode,
                                   const std::string& op) {
  const std::array<int64_t, 2> out{window_output(window, 0, h, ceil_mode),
                                   window_output(window, 1, w, ceil_mode)};
  require(out[0] > 0 && out[1] > 0, op, ": a window of ", window.kernel[0], " x ", window.kernel[1],
          " (dilation ", window.dilation[0], ", ", window.dilation[1], ") does not fit the input of ", h,
          " x ", w, " with its padding");
  return out;
}

namespace {

/// A copy of an operand as a layer wants it: inside its halo, with kSlack readable bytes behind it, which a
/// tensor's own memory does not promise.
class [[gnu::visibility("hidden")]] Framed {
 public:
  Framed(const Operand& x, const Halo& halo, int64_t n) {
    const auto [h, w, c] = x.extent;
    const int64_t row = (halo.left + w + halo.right) * c, image = (halo.top + h + halo.bottom) * row;
    const auto size = static_cast<size_t>(n * image + kSlack);
    memory_ = std::make_unique_for_overwrite<uint8_t[]>(size);
    if (halo != Halo{}) std::memset(memory_.get(), x.zero_point, size);
    uint8_t* first = memory_.get() + halo.top * row + halo.left * c;
    const bool whole = row == w * c;
    for (int64_t i = 0; i < n; ++i)
      for (int64_t y = 0; y < (whole ? 1 : h); ++y)
        std::memcpy(first + i * image + y * row, x.data + (i * h + y) * w * c,
                    static_cast<size_t>((whole ? h : 1) * w * c));
    view_ = {first, image, row, c};
  }
  const View& view() const {
    return view_;
  }

 private:
  std::unique_ptr<uint8_t[]> memory_;
  View view_;
};

}  // namespace

void run_layer(const Layer& layer, const std::vector<Operand>& xs, void* y, Extent y_extent, int64_t y_size,
               int64_t n, int64_t work) {
  if (n == 0 || work == 0) return;
  std::vector<Framed> framed;
  std::vector<View> views;
  for (size_t i = 0; i < xs.size(); ++i) views.push_back(framed.emplace_back(xs[i], layer.halo(i), n).view());
  const auto [h, w, c] = y_extent;
  const icepoint::Output out{static_cast<uint8_t*>(y), h * w * c * y_size, w * c * y_size, c * y_size};
  constexpr int64_t kGrainWork = 1 << 16;  // tens of microseconds: less is not worth a second thread
  const int64_t units = layer.units(n), work_per_unit = std::max<int64_t>(1, work / units);
  parallel_for(units, std::max<int64_t>(1, kGrainWork / work_per_unit),
               [&](int64_t begin, int64_t end) { layer.run(views.data(), out, n, begin, end); });
}

}  // namespace icepoint::ops
