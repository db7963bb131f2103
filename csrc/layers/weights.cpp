// Rows of a tensor's codes, centred and with the channels last.
#include "layers/weights.h"

#include <algorithm>
#include <cassert>

#include "layers/storage.h"

namespace icepoint {

SpanRows::SpanRows(const WeightSpan& w, int64_t oc, int64_t group_ic, int64_t taps)
    : codes_(w.codes), zero_point_(per_channel(w.zero_point, oc)), group_ic_(group_ic), taps_(taps) {
  assert(static_cast<int64_t>(codes_.size()) == oc * group_ic * taps);
}

void SpanRows::read(int64_t oc, int16_t* row) const {
  const int8_t* from = codes_.data() + oc * group_ic_ * taps_;
  for (int64_t c = 0; c < group_ic_; ++c)
    for (int64_t tap = 0; tap < taps_; ++tap)
      row[tap * group_ic_ + c] = static_cast<int16_t>(from[c * taps_ + tap] - zero_point_[oc]);
}

WeightKind SpanRows::kind() const {
  const int64_t row = group_ic_ * taps_;
  for (size_t oc = 0; oc < zero_point_.size(); ++oc) {
    const auto codes = codes_.subspan(oc * row, row);
    if (codes.empty() || zero_point_[oc] == 0) continue;
    const auto [least, most] = std::minmax_element(codes.begin(), codes.end());
    if (*least - zero_point_[oc] < -128 || *most - zero_point_[oc] > 127) return WeightKind::i16;
  }
  return WeightKind::i8;
}

void interleave(const int16_t* from, int64_t channels, int64_t taps, int16_t* to) {
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t tap = 0; tap < taps; ++tap) to[tap * channels + c] = from[c * taps + tap];
}

}  // namespace icepoint
