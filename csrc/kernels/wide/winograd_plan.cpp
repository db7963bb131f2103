// Which convolutions run by tiles, and the size of their packed form.
#include "kernels/wide/winograd_plan.h"

#include <algorithm>
#include <cstdlib>
#include <vector>

namespace icepoint::wide {

namespace {

// Channels below which the transforms cost what the products save.
constexpr int64_t kLeastChannels = 32;
// Tiles of an image below which weights, eight times their size here, are read for too few products.
constexpr int64_t kLeastTiles = 12;

bool is_square3(const Conv2dSpec& spec) {
  using Pair = std::array<int64_t, 2>;
  const Window& w = spec.g.window;
  return w.kernel == Pair{3, 3} && w.stride == Pair{1, 1} && w.dilation == Pair{1, 1} && spec.g.groups == 1;
}

// Outputs that are computed, against those that are wanted: 4 x 4 tiles on a 5 x 5 map waste more than they
// win.
bool fills_tiles(const Conv2dGeometry& g) {
  const int64_t rows = divide_up(g.oh, 4), columns = divide_up(g.ow, 4);
  return rows * columns >= kLeastTiles && 16 * rows * columns * 2 <= g.oh * g.ow * 3;
}

}  // namespace

WinogradPlan::WinogradPlan(const Conv2dSpec& spec, int64_t pair_channels, int64_t head_bytes)
    : PackedForm(Algorithm::winograd, spec),
      ic(spec.g.ic),
      oc(spec.g.oc),
      steps(divide_up(ic, 2)),
      panels(divide_up(oc, pair_channels)),
      panel_bytes(head_bytes + kPlaces * steps * pair_channels * 2 * static_cast<int64_t>(sizeof(int16_t))) {}

bool winograd_fits(const Conv2dSpec& spec) {
  // Four-bit weights stay packed, and weights beyond a byte would leave int16.
  if (spec.kind != WeightKind::i8 || !is_square3(spec) || !fills_tiles(spec.g)) return false;
  if (std::min(spec.g.ic, spec.g.oc) < kLeastChannels || spec.g.ic > kMostWinogradChannels) return false;
  std::vector<int16_t> row(static_cast<size_t>(9 * spec.g.ic));
  for (int64_t oc = 0; oc < spec.g.oc; ++oc) {
    spec.weight->read(oc, row.data());
    int64_t magnitude = 0;
    for (const int16_t w : row) magnitude += std::abs(w);
    if (255 * magnitude >= (int64_t{1} << 26) - 2) return false;
  }
  return true;
}

}  // namespace icepoint::wide
