// Runs and panels of a convolution.
#include "kernels/wide/plan.h"

#include <algorithm>

namespace icepoint::wide {

PackedForm::PackedForm(Algorithm a, const Conv2dSpec& spec)
    : algorithm(a),
      codes(spec.requant != nullptr),
      prescale(false),
      has_residual(spec.residual != nullptr),
      max_pool(spec.max_pool),
      lo(codes ? spec.requant->lo : 0),
      hi(codes ? spec.requant->hi : 0),
      zero_point(codes ? spec.requant->zero_point : 0),
      residual(has_residual ? *spec.residual : Residual{0, 0, 0, 1, 0, 0, 0}) {
  if (codes)
    prescale = std::any_of(spec.requant->shift, spec.requant->shift + spec.g.oc,
                           [](int32_t s) { return s < kLeastShift; });
}

Plan::Plan(const Conv2dSpec& spec, const PanelShape& shape)
    : PackedForm(Algorithm::direct, spec), kind(spec.kind), streamed(shape.streamed) {
  const Conv2dGeometry& g = spec.g;
  groups = g.groups;
  group_ic = g.ic / groups;
  group_oc = g.oc / groups;
  const int64_t kw = g.window.kernel[1];
  const bool one_run = groups == 1 && spec.x_pixel == g.ic && (kw == 1 || g.window.dilation[1] == 1);
  kernel_rows = g.window.kernel[0];
  taps = one_run ? 1 : kw;
  run = one_run ? kw * g.ic : group_ic;
  chunks = divide_up(run, shape.run_unit) * (shape.run_unit / (4 * shape.steps));

  panel_channels = shape.panel_pairs * shape.pair_channels;
  panels = divide_up(group_oc, panel_channels);
  last_pairs = divide_up(group_oc - (panels - 1) * panel_channels, shape.pair_channels);
  const int64_t weight_bytes = shape.rounds * kernel_rows * taps * chunks * shape.chunk_bytes;
  const int64_t pair_bytes = shape.head_bytes + divide_up(weight_bytes, 64) * 64;  // heads stay aligned
  panel_bytes = shape.panel_pairs * pair_bytes;
  last_bytes = last_pairs * pair_bytes;
}

}  // namespace icepoint::wide
