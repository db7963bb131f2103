// The operators' other arguments: lists, code ranges, per-channel parameters, windows; and the call.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/multiplier.h"
#include "core/shape.h"
#include "layers/layers.h"
#include "ops/tensor.h"

namespace icepoint::ops {

using Ints = std::vector<int64_t>;  // torch does not check the length of an int[4]: pair and quad do

std::array<int64_t, 2> pair(const Ints& values, const std::string& who);
std::array<int64_t, 4> quad(const Ints& values, const std::string& who);

/// A zero point of uint8 codes, 0..255.
int32_t code(int64_t value, const std::string& who);

/// y_zero_point in 0..255 and qmin <= qmax within 0..255.
OutputRange output_range(int64_t y_zero_point, int64_t qmin, int64_t qmax, const std::string& op);

/// `axis` of a tensor of this rank, counted from the front; -rank..rank-1 is legal.
int64_t checked_axis(int64_t axis, int64_t rank, const std::string& who);

/// Elements of a parameter: rank 0 or 1, on the CPU, of T, with 1 or `channels` elements.
template <class T>
std::vector<T> parameter(const Tensor& t, int64_t channels, const std::string& who) {
  check_tensor(t, {dtype_of<T>()}, who);
  require(t.dim() <= 1 && (t.numel() == 1 || t.numel() == channels), who, ": has shape ",
          to_string(shape_of(t)), ", expected (1)",
          channels == 1 ? "" : " or (" + std::to_string(channels) + ")");
  const Dense<T> dense(t, Order::logical);
  return {dense.span().begin(), dense.span().end()};
}

/// multiplier and shift of length 1 or `channels`, each pair legal (section 3 of docs/numerics.md).
struct Requantization {
  std::vector<int32_t> multiplier, shift;
  OutputRange out;

  ChannelRequant spans() const { return {multiplier, shift, out}; }
};
Requantization requantization(const Tensor& multiplier, const Tensor& shift, int64_t channels,
                              OutputRange out, const std::string& op);

/// A weight, its zero points and its bias, checked; the codes are dense in logical order.
class [[gnu::visibility("hidden")]] WeightArgument {
 public:
  /// `rank` 4 for (oc, ic / groups, kh, kw), 2 for (out, in). With `transposed_groups` the weight is that
  /// of a transposed convolution, (ic, oc / groups, kh, kw).
  WeightArgument(const Tensor& weight, const Tensor& zero_point, const std::optional<Tensor>& bias,
                 int64_t rank, const std::string& op, int64_t transposed_groups = 0);

  const Shape& shape() const {
    return shape_;
  }
  /// Output channels.
  int64_t channels() const {
    return transposed_groups_ == 0 ? shape_[0] : transposed_groups_ * shape_[1];
  }
  WeightSpan span() const {
    return {codes_->span(), zero_point_, bias_};
  }

  /// Refuses a channel whose accumulator an input in 0..255 can drive out of int32, with the bias
  /// and without (section 2 of docs/numerics.md); the message names the channel.
  void prove_no_overflow(int32_t x_zero_point) const;

 private:
  std::vector<int8_t> rows() const;

  Shape shape_;
  std::string op_;
  int64_t transposed_groups_;
  std::optional<Dense<int8_t>> codes_;
  std::vector<int32_t> zero_point_, bias_;
};

/// Output height and width of a convolution or pool; refuses a window larger than the padded input.
std::array<int64_t, 2> output_size(const Window& window, int64_t h, int64_t w, bool ceil_mode,
                                   const std::string& op);

/// Dense codes (n, h, w, c) that a layer reads; a halo around them, where it wants one, holds `zero_point`.
struct Operand {
  const uint8_t* data;
  Extent extent;
  int32_t zero_point = 0;
};

/// Runs a layer over a batch of n on the core's threads; y is dense, y_size bytes an element. `work`, the
/// multiply-adds or moved bytes of the whole call, only decides how many threads are worth waking.
void run_layer(const Layer& layer, const std::vector<Operand>& xs, void* y, Extent y_extent, int64_t y_size,
               int64_t n, int64_t work);

}  // namespace icepoint::ops
