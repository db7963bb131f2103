// Which convolutions run by Strassen's products, and the size of their packed form.
#include "kernels/wide/strassen_plan.h"

namespace icepoint::wide {

namespace {

// Where the transforms cost what the products save: products of an output, and output channels.
constexpr int64_t kLeastProducts[] = {64, 128}, kLeastChannels[] = {32, 256};
// Pixels of an image below which weights, 3.5 or 6 times their size here, are read for too few products.
constexpr int64_t kLeastPixels[] = {24, 48};

int64_t piece_of(const Conv2dGeometry& g, int64_t parts) {
  return divide_up(divide_up(g.ic, parts), kPieceUnit) * kPieceUnit;
}

bool fits(const Conv2dSpec& spec, int64_t levels, int64_t pair_channels) {
  const Conv2dGeometry& g = spec.g;
  const int64_t parts = int64_t{1} << levels, places = levels == 1 ? 7 : 49;
  const int64_t taps = g.window.kernel[0] * g.window.kernel[1], piece = piece_of(g, parts);
  const int64_t channels = divide_up(g.oc, parts * pair_channels) * parts * pair_channels;
  const int64_t tile = Places16(1, taps * piece / 2, pair_channels).bytes(places);
  // What is filled up must not cost what the products save.
  return g.ic * taps >= kLeastProducts[levels - 1] && g.oc >= kLeastChannels[levels - 1] &&
         g.oh * g.ow >= kLeastPixels[levels - 1] && 8 * piece * parts <= 9 * g.ic &&
         8 * channels <= 9 * g.oc && tile <= kMostStrassenTile;
}

}  // namespace

StrassenPlan::StrassenPlan(const Conv2dSpec& spec, int64_t pair_channels, int64_t head_bytes)
    : PackedForm(Algorithm::strassen, spec),
      levels(strassen_levels(spec, pair_channels)),
      parts(int64_t{1} << levels),
      ic(spec.g.ic),
      oc(spec.g.oc),
      kw(spec.g.window.kernel[1]),
      taps(spec.g.window.kernel[0] * kw),
      piece(piece_of(spec.g, parts)),
      steps(taps * piece / 2),
      panels(divide_up(oc, parts * pair_channels)),
      panel_channels(parts * pair_channels),
      panel_bytes(parts * head_bytes +
                  places() * steps * pair_channels * 2 * static_cast<int64_t>(sizeof(int16_t))) {}

int64_t strassen_levels(const Conv2dSpec& spec, int64_t pair_channels) {
  // Four-bit weights stay packed; a pool would need four tiles at a time.
  if (spec.kind == WeightKind::i4 || spec.g.groups != 1 || spec.max_pool) return 0;
  return fits(spec, 2, pair_channels) ? 2 : fits(spec, 1, pair_channels) ? 1 : 0;
}

}  // namespace icepoint::wide
