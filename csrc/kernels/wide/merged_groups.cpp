// How many groups become one, and the rows of their weights.
#include "kernels/wide/merged_groups.h"

#include <algorithm>
#include <cstring>

#include "kernels/wide/plan.h"

namespace icepoint::wide {

namespace {

// Products of four bytes with a vector for one pixel, where `merge` groups become one. Turning a pair of
// vectors into codes costs about as much as 16 of them.
int64_t price(const Conv2dGeometry& g, int64_t merge, int64_t pair_channels) {
  const int64_t taps = g.window.kernel[0] * g.window.kernel[1];
  const int64_t fours = divide_up(g.ic / g.groups * merge, 4);
  const int64_t pairs = divide_up(g.oc / g.groups * merge, pair_channels);
  return g.groups / merge * pairs * (2 * taps * fours + 16);
}

int64_t best_merge(const Conv2dGeometry& g, int64_t pair_channels) {
  int64_t best = 1;
  for (int64_t merge = 2; merge <= g.groups && merge * (g.oc / g.groups) <= 2 * pair_channels; ++merge)
    if (g.groups % merge == 0 && price(g, merge, pair_channels) < price(g, best, pair_channels)) best = merge;
  return best;
}

}  // namespace

MergedGroups::MergedGroups(const Conv2dSpec& spec, int64_t pair_channels)
    : rows_(spec.weight),
      merge_(best_merge(spec.g, pair_channels)),
      taps_(spec.g.window.kernel[0] * spec.g.window.kernel[1]),
      group_ic_(spec.g.ic / spec.g.groups),
      group_oc_(spec.g.oc / spec.g.groups),
      merged_(spec) {
  merged_.g.groups /= merge_;
  merged_.weight = this;
}

MergedGroups::~MergedGroups() = default;

void MergedGroups::read(int64_t oc, int16_t* row) const {
  rows_->read(oc, row);
  if (merge_ == 1) return;
  // (taps, group_ic) to (taps, merge, group_ic) in place: from the last tap on, for rows only move up.
  const int64_t place = oc / group_oc_ % merge_ * group_ic_, wide = merge_ * group_ic_;
  for (int64_t tap = taps_ - 1; tap >= 0; --tap) {
    int16_t* to = row + tap * wide;
    std::memmove(to + place, row + tap * group_ic_, static_cast<size_t>(group_ic_) * sizeof(int16_t));
    std::fill(to, to + place, int16_t{0});
    std::fill(to + place + group_ic_, to + wide, int16_t{0});
  }
}

}  // namespace icepoint::wide
