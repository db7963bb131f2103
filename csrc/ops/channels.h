// Elementwise work with one parameter for each index of an axis, over dense elements.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "core/float_env.h"
#include "ops/arguments.h"
#include "runtime/threads.h"

namespace icepoint::ops {

/// Dense elements as (outer, channels, inner); without an axis everything is one channel.
struct ChannelSplit {
  int64_t channels = 1, inner = 1, count = 0;
};

inline ChannelSplit split_channels(const Tensor& x, Order order, std::optional<int64_t> axis,
                                   const std::string& op) {
  if (!axis) return {1, std::max<int64_t>(1, x.numel()), x.numel()};
  const int64_t a = checked_axis(*axis, x.dim(), op + ".axis");
  // Storage positions of the dimensions: channels_last puts dimension 1 last, 2 and 3 before it.
  const bool nhwc = order == Order::channels_last && x.dim() == 4;
  int64_t inner = 1;
  for (int64_t d = 0; d < x.dim(); ++d) {
    const auto place = [&](int64_t dim) { return !nhwc || dim == 0 ? dim : dim == 1 ? 3 : dim - 1; };
    if (place(d) > place(a)) inner *= x.size(d);
  }
  return {x.size(a), std::max<int64_t>(1, inner), x.numel()};
}

/// Calls piece(channel, begin, end) over the elements, each piece within one channel, on the core's
/// threads and under round-to-nearest without flush-to-zero.
template <class Piece>
void for_each_channel_piece(const ChannelSplit& s, const Piece& piece) {
  constexpr int64_t kGrain = 16384;
  parallel_for(s.count, kGrain, [&](int64_t begin, int64_t end) {
    const FloatEnv env;
    while (begin < end) {
      const int64_t segment = begin / s.inner, stop = std::min(end, (segment + 1) * s.inner);
      piece(static_cast<size_t>(segment % s.channels), begin, stop);
      begin = stop;
    }
  });
}

}  // namespace icepoint::ops
