// qlinear prepared: centred weights (out, in), packed for one CPU; every position is a row.
#include <algorithm>

#include "layers/storage.h"

namespace icepoint {

namespace {

// A few rows alone give threads nothing to split, so a row is then cut into blocks of outputs; from
// this many rows on, a unit is a whole row. 64 outputs are a multiple of every table's block.
constexpr int64_t kEnoughRows = 16;
constexpr int64_t kOutputBlock = 64;

class QLinearLayer final : public Layer {
 public:
  QLinearLayer(const Kernels& kernels, int64_t positions, int64_t in, int64_t out, int32_t x_zero_point,
               const WeightSpan& w, const std::optional<ChannelRequant>& requant)
      : kernels_(kernels),
        positions_(positions),
        in_(in),
        out_(out),
        x_zero_point_(x_zero_point),
        packed_(kernels.linear_packed_size(in, out)),
        bias_(per_channel(w.bias, out)) {
    if (requant) requant_.emplace(*requant, out);
    kernels.linear_pack(in, out, centre(w.codes, w.zero_point, out).data(), packed_.data());
  }

  int64_t units(int64_t n) const override { return n * positions_ * blocks(n); }

  void run(const uint8_t* const* xs, void* y, int64_t n, int64_t begin, int64_t end) const override {
    const int64_t per_row = blocks(n);
    // Units are row-major over (row, block). Whole rows go to the kernel together, for it reads a
    // block of weights once for several rows; what is left of the first and last row goes alone.
    while (begin < end) {
      const int64_t row = begin / per_row, block = begin % per_row;
      const bool whole = block == 0 && end - begin >= per_row;
      const int64_t next = whole ? end / per_row * per_row : std::min(end, (row + 1) * per_row);
      const int64_t row_end = whole ? next / per_row : row + 1;
      const int64_t out_begin = block * kOutputBlock;
      const int64_t out_end = whole ? out_ : std::min(out_, out_begin + (next - begin) * kOutputBlock);
      run_rows(xs[0], y, row, row_end, out_begin, out_end);
      begin = next;
    }
  }

  int64_t bytes() const override {
    return packed_.size() + 4 * static_cast<int64_t>(bias_.size()) + (requant_ ? requant_->bytes() : 0);
  }

 private:
  int64_t blocks(int64_t n) const {
    const bool enough = n * positions_ >= kEnoughRows;
    return enough ? 1 : std::max<int64_t>(1, (out_ + kOutputBlock - 1) / kOutputBlock);
  }

  void run_rows(const uint8_t* x, void* y, int64_t row_begin, int64_t row_end, int64_t out_begin,
                int64_t out_end) const {
    Requant requant{};
    if (requant_) requant = requant_->view();
    kernels_.linear({.x = x,
                     .weight = packed_.data(),
                     .bias = bias_.data(),
                     .requant = requant_ ? &requant : nullptr,
                     .y = y,
                     .in = in_,
                     .out = out_,
                     .x_zero_point = x_zero_point_,
                     .row_begin = row_begin,
                     .row_end = row_end,
                     .out_begin = out_begin,
                     .out_end = out_end});
  }

  const Kernels& kernels_;
  int64_t positions_, in_, out_;
  int32_t x_zero_point_;
  PackedWeights packed_;
  std::vector<int32_t> bias_;
  std::optional<StoredRequant> requant_;
};

}  // namespace

LayerPtr make_qlinear(const Kernels& kernels, Extent x, int64_t out, int32_t x_zero_point,
                      const WeightSpan& weight, const std::optional<ChannelRequant>& requant) {
  return std::make_unique<QLinearLayer>(kernels, x.h * x.w, x.c, out, x_zero_point, weight, requant);
}

}  // namespace icepoint
