// qconv2d prepared, and qlinear as its 1x1 case: weights packed for one CPU, work cut by rows or channels.
#include <algorithm>
#include <cassert>

#include "kernels/reference/table.h"
#include "layers/rows.h"
#include "layers/storage.h"

namespace icepoint {

namespace {

// A halo this much larger than its image is no image any more (padding 1000 around a pixel): such a
// convolution runs on the reference kernels, which look at bounds instead of reading a halo.
constexpr int64_t kMostHalo = 16;
constexpr int64_t kFreeHalo = 65536;  // bytes that are never too much

Halo reach(Extent x, const Window& window) {
  const auto behind = [&](int axis, int64_t in) {
    const int64_t out = window_output(window, axis, in);
    const int64_t last = (out - 1) * window.stride[axis] + window.dilation[axis] * (window.kernel[axis] - 1);
    return std::max<int64_t>(0, last - window.padding[axis] - (in - 1));
  };
  return {window.padding[0], window.padding[1], behind(0, x.h), behind(1, x.w)};
}

bool is_reasonable(Extent x, const Halo& halo) {
  const int64_t padded = (x.h + halo.top + halo.bottom) * (x.w + halo.left + halo.right) * x.c;
  return padded <= std::max(kFreeHalo, kMostHalo * x.numel());
}

// Tables may compute a 3x3 convolution of stride 1 by tiles of 4x4 outputs: threads do not cut them.
int64_t rows_of_unit(const Conv2dGeometry& g, const ConvFusion& fusion) {
  using Pair = std::array<int64_t, 2>;
  const bool tiles = g.window.kernel == Pair{3, 3} && g.window.stride == Pair{1, 1} && g.groups == 1;
  return !tiles ? 1 : fusion.max_pool ? 2 : 4;
}

class QConv2dLayer final : public Layer {
 public:
  QConv2dLayer(const Kernels& kernels, const Conv2dGeometry& geometry, int32_t x_zero_point,
               const WeightSource& w, const std::optional<ChannelRequant>& requant, const ConvFusion& fusion)
      : kernels_(kernels),
        geometry_(geometry),
        residual_(fusion.residual.has_value()),
        rows_(fusion.max_pool ? geometry.oh / 2 : geometry.oh),
        unit_rows_(rows_of_unit(geometry, fusion)),
        halo_(conv2d_halo({geometry.h, geometry.w, geometry.ic}, geometry.window)),
        pixelwise_(geometry.window.kernel == std::array<int64_t, 2>{1, 1} &&
                   geometry.window.stride == std::array<int64_t, 2>{1, 1} &&
                   geometry.window.padding == std::array<int64_t, 4>{} && !fusion.max_pool) {
    const std::vector<int32_t> bias = per_channel(w.bias, geometry.oc);
    std::optional<StoredRequant> stored;
    Requant view{};
    if (requant) view = stored.emplace(*requant, geometry.oc).view();
    const Conv2dSpec spec{.g = geometry,
                          .x_pixel = fusion.x_pixel == 0 ? geometry.ic : fusion.x_pixel,
                          .x_zero_point = x_zero_point,
                          .kind = w.kind,
                          .weight = &w.rows,
                          .offset = w.offset.data(),
                          .bias = bias.data(),
                          .requant = requant ? &view : nullptr,
                          .residual = fusion.residual ? &*fusion.residual : nullptr,
                          .max_pool = fusion.max_pool};
    packed_ = PackedWeights(kernels.conv2d_packed_size(spec));
    kernels.conv2d_pack(spec, packed_.data());
  }

  int64_t units(int64_t n) const override {
    return splits_channels(n) ? channel_blocks() : n * ((rows_ + unit_rows_ - 1) / unit_rows_);
  }

  void run(const View* xs, const Output& y, int64_t n, int64_t begin, int64_t end) const override {
    Conv2dArgs args{.g = &geometry_,
                    .packed = packed_.data(),
                    .x = xs[0],
                    .residual = residual_ ? xs[1] : View{},
                    .y = y,
                    .begin = first_row(begin),
                    .end = first_row(end),
                    .oc_begin = 0,
                    .oc_end = geometry_.oc};
    if (splits_channels(n)) {
      args.begin = 0, args.end = n * rows_;
      args.oc_begin = begin * kOutputBlock, args.oc_end = std::min(end * kOutputBlock, geometry_.oc);
    }
    if (pixelwise_ && joins_rows(args))
      run_joined(args);
    else
      kernels_.conv2d(args);
  }

  Halo halo(size_t input) const override { return input == 0 ? halo_ : Halo{}; }

  int64_t bytes() const override { return packed_.size(); }

 private:
  // The row of y, through all images, with which a unit begins.
  int64_t first_row(int64_t unit) const {
    const int64_t units = (rows_ + unit_rows_ - 1) / unit_rows_;
    return unit / units * rows_ + unit % units * unit_rows_;
  }

  int64_t channel_blocks() const { return (geometry_.oc + kOutputBlock - 1) / kOutputBlock; }

  // Threads that take channels read each weight once between them; threads that take rows read each pixel
  // once. So what is larger is split, where there are blocks enough to share evenly.
  bool splits_channels(int64_t n) const {
    const int64_t pixels = n * geometry_.h * geometry_.w * geometry_.ic;
    return channel_blocks() >= 4 && packed_.size() > 2 * pixels;
  }

  // Whether rows follow each other without a gap, so that an image is one long row.
  bool joins_rows(const Conv2dArgs& a) const {
    const auto joined = [&](const auto& view) { return view.row == geometry_.ow * view.pixel; };
    return joined(a.x) && joined(a.y) && (!residual_ || joined(a.residual));
  }

  void run_joined(Conv2dArgs a) const {
    const auto images_join = [&](const auto& view) { return view.image == geometry_.oh * view.row; };
    const bool all = images_join(a.x) && images_join(a.y) && (!residual_ || images_join(a.residual));
    Conv2dGeometry g = geometry_;
    g.h = g.oh = 1;
    const Conv2dArgs whole = a;
    a.g = &g;
    a.begin = 0, a.end = 1;
    // Rows count through all images; where images join, one call takes them all.
    for_each_image(whole.begin, whole.end, all ? whole.end : rows_, [&](int64_t i, int64_t row, int64_t end) {
      a.x.data = whole.x.at(i, row, 0);
      a.y.data = whole.y.at(i, row, 0);
      if (residual_) a.residual.data = whole.residual.at(i, row, 0);
      g.w = g.ow = (end - row) * geometry_.ow;
      kernels_.conv2d(a);
    });
  }

  const Kernels& kernels_;
  Conv2dGeometry geometry_;
  bool residual_;
  int64_t rows_, unit_rows_;
  Halo halo_;
  bool pixelwise_;
  PackedWeights packed_;
};

}  // namespace

Halo conv2d_halo(Extent x, const Window& window) {
  const Halo halo = reach(x, window);
  return is_reasonable(x, halo) ? halo : Halo{};
}

LayerPtr make_qconv2d(const Kernels& kernels, Extent x, const Window& window, int64_t groups, int64_t oc,
                      int32_t x_zero_point, const WeightSource& weight,
                      const std::optional<ChannelRequant>& requant, const ConvFusion& fusion) {
  const Conv2dGeometry geometry{.h = x.h,
                                .w = x.w,
                                .ic = x.c,
                                .oh = window_output(window, 0, x.h),
                                .ow = window_output(window, 1, x.w),
                                .oc = oc,
                                .window = window,
                                .groups = groups};
  const Kernels& able = is_reasonable(x, reach(x, window)) ? kernels : reference_table();
  return std::make_unique<QConv2dLayer>(able, geometry, x_zero_point, weight, requant, fusion);
}

LayerPtr make_qlinear(const Kernels& kernels, Extent x, int64_t out, int32_t x_zero_point,
                      const WeightSource& weight, const std::optional<ChannelRequant>& requant) {
  return make_qconv2d(kernels, x, Window{}, 1, out, x_zero_point, weight, requant, {});
}

}  // namespace icepoint
