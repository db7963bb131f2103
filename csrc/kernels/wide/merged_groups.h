// Grouped convolutions whose groups are smaller than a vector: several groups as one, zeros between them.
#pragma once

#include "kernels/kernels.h"

namespace icepoint::wide {

/// A spec with fewer, wider groups and the same sums. Where an input channel belongs to another of the old
/// groups its weight is 0: the products cost less than sums that leave most of a vector's lanes idle.
class MergedGroups : public WeightRows {
 public:
  /// `pair_channels`: output channels that a pair of the table's vectors holds.
  MergedGroups(const Conv2dSpec& spec, int64_t pair_channels);
  MergedGroups(const MergedGroups&) = delete;
  ~MergedGroups() override;  // not inline: a target region must not make one of its own

  /// Valid as long as this object and the spec that it was made from.
  const Conv2dSpec& spec() const { return merged_; }

  void read(int64_t oc, int16_t* row) const override;

 private:
  const WeightRows* rows_;
  int64_t merge_, taps_, group_ic_, group_oc_;
  Conv2dSpec merged_;
};

}  // namespace icepoint::wide
