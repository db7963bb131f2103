// Bilinear up-sampling prepared: exact rational source positions, rounded once to 2^-11.
#include <algorithm>

#include "layers/layers.h"

namespace icepoint {

namespace {

// Lower source index and weight of the upper one, in 0..2^11, for each output of one axis.
struct Taps {
  std::vector<int32_t> index, weight;
};

Taps bilinear_taps(int64_t in, int64_t out, bool align_corners) {
  Taps taps;
  for (int64_t i = 0; i < out; ++i) {
    // src = numerator / denominator; a single output of align_corners looks at the first input.
    int64_t numerator = 0, denominator = 1;
    if (!align_corners) {
      numerator = std::max<int64_t>((2 * i + 1) * in - out, 0), denominator = 2 * out;
    } else if (out > 1) {
      numerator = i * (in - 1), denominator = out - 1;
    }
    const int64_t index = numerator / denominator;
    // rne(2^11 frac): whole part, and up where the rest is above a half, or a half and the part odd
    const int64_t scaled = (numerator % denominator) << 11;
    int64_t weight = scaled / denominator;
    const int64_t rest = 2 * (scaled % denominator);
    if (rest > denominator || (rest == denominator && weight % 2 == 1)) ++weight;
    // Behind the last input both taps are that input: the upper one is never read.
    taps.index.push_back(static_cast<int32_t>(std::min(index, in - 1)));
    taps.weight.push_back(index >= in - 1 ? 0 : static_cast<int32_t>(weight));
  }
  return taps;
}

class UpsampleBilinearLayer final : public Layer {
 public:
  UpsampleBilinearLayer(const Kernels& kernels, Extent x, Taps rows, Taps cols)
      : kernels_(kernels), channels_(x.c), rows_(std::move(rows)), cols_(std::move(cols)) {}

  int64_t units(int64_t n) const override { return n * oh(); }

  void run(const View* xs, const Output& y, int64_t, int64_t begin, int64_t end) const override {
    kernels_.upsample_bilinear({.x = xs[0],
                                .y = y,
                                .c = channels_,
                                .oh = oh(),
                                .ow = static_cast<int64_t>(cols_.index.size()),
                                .row_index = rows_.index.data(),
                                .row_weight = rows_.weight.data(),
                                .col_index = cols_.index.data(),
                                .col_weight = cols_.weight.data(),
                                .begin = begin,
                                .end = end});
  }

  int64_t bytes() const override {
    return 2 * 4 * static_cast<int64_t>(rows_.index.size() + cols_.index.size());
  }

 private:
  int64_t oh() const { return static_cast<int64_t>(rows_.index.size()); }

  const Kernels& kernels_;
  int64_t channels_;
  Taps rows_, cols_;
};

}  // namespace

LayerPtr make_upsample_bilinear(const Kernels& kernels, Extent x, std::array<int64_t, 2> output_size,
                                bool align_corners) {
  return std::make_unique<UpsampleBilinearLayer>(kernels, x,
                                                 bilinear_taps(x.h, output_size[0], align_corners),
                                                 bilinear_taps(x.w, output_size[1], align_corners));
}

}  // namespace icepoint
