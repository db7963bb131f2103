// Where tiles win over vpdpbusd: by the reduction's shape when weights are packed, by the work of each call.
#pragma once

#include "kernels/kernels.h"
#include "kernels/wide/plan.h"

namespace icepoint::amx {

/// Tiles multiply bytes by bytes, and their panels of 32 channels must divide the threads' parts of y.
inline bool fits_tiles(const wide::Plan& plan) {
  return plan.kind != WeightKind::i16 && (plan.groups == 1 || plan.group_oc % 32 == 0);
}

/// A tile's row holds 64 bytes of k, so a run of any length takes whole steps of 64. Cycles for 16 pixels by
/// 16 channels: vpdpbusd about 10 for every 4 bytes of k, tiles about 24 for a step with its loads (16 the
/// product alone) and 30 to begin and store the sums. So 16 bytes are too few, 24 are about even.
inline bool is_deep(const wide::Plan& plan) {
  const int64_t runs = plan.kernel_rows * plan.taps;
  return 10 * runs * wide::divide_up(plan.run, 4) > 24 * runs * wide::divide_up(plan.run, 64) + 30;
}

/// After some milliseconds without them tiles run at a half to a third of their speed for 0.1 to 0.2 ms, and
/// configuring them takes 0.1 us. Networks of less than that consist of calls of less than 2^20 products,
/// some 4 us with vpdpbusd: they stay there. So do a few pixels, which wait for their weights anyway.
inline bool is_worth_it(const Conv2dArgs& a, const wide::Plan& plan) {
  const int64_t pixels = (a.end - a.begin) * a.g->ow * (plan.max_pool ? 2 : 1);
  const int64_t depth = plan.kernel_rows * plan.taps * plan.run;
  return pixels >= 8 && pixels * (a.oc_end - a.oc_begin) * depth >= int64_t{1} << 20;
}

}  // namespace icepoint::amx
