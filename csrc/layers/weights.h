// Weights of a layer on their way to a kernel's packed form.
#pragma once

#include <span>
#include <vector>

#include "kernels/kernels.h"

namespace icepoint {

/// Weights as they come from a tensor: int8 codes (channels, ...); zero_point of length 1 or channels (all
/// zero: symmetric); bias of length oc or empty.
struct WeightSpan {
  std::span<const int8_t> codes;
  std::span<const int32_t> zero_point;
  std::span<const int32_t> bias;
};

/// Rows to pack, what a weight needs, and the bias.
struct WeightSource {
  const WeightRows& rows;
  WeightKind kind;
  std::span<const int32_t> offset;  // (oc) for i4
  std::span<const int32_t> bias;    // (oc), or empty
};

/// Codes (oc, ic / groups, taps) of a tensor as rows (taps, ic / groups): the input's channels are its last
/// axis too.
class SpanRows final : public WeightRows {
 public:
  SpanRows(const WeightSpan&, int64_t oc, int64_t group_ic, int64_t taps);
  void read(int64_t oc, int16_t* row) const override;

  /// i8 where every centred weight fits a byte, else i16.
  WeightKind kind() const;

 private:
  std::span<const int8_t> codes_;
  std::vector<int32_t> zero_point_;
  int64_t group_ic_, taps_;
};

/// (channels, taps) -> (taps, channels)
void interleave(const int16_t* from, int64_t channels, int64_t taps, int16_t* to);

}  // namespace icepoint
