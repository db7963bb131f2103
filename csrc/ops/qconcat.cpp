// qconcat: joins along any axis; an input whose qparams differ is requantized on the way.
#include "core/check.h"
#include "kernels/select.h"
#include "ops/ops.h"

namespace icepoint::ops {
namespace {

// In storage every axis splits a tensor into (outer, axis * inner): joining the rows of that matrix
// joins the axis, so one layer that joins channels serves every rank, axis and memory format.
int64_t row_length(const Shape& shape, Order order, int64_t axis) {
  Shape stored = shape;
  int64_t place = axis;
  if (order == Order::channels_last) {
    stored = {shape[0], shape[2], shape[3], shape[1]};
    place = axis == 0 ? 0 : axis == 1 ? 3 : axis - 1;
  }
  int64_t length = 1;
  for (size_t d = static_cast<size_t>(place); d < stored.size(); ++d) length *= stored[d];
  return length;
}

Shape joined_shape(const std::vector<Tensor>& xs, int64_t axis, const std::string& op) {
  Shape joined = shape_of(xs[0]);
  joined[static_cast<size_t>(axis)] = 0;
  for (size_t i = 0; i < xs.size(); ++i) {
    Shape shape = shape_of(xs[i]), expected = joined;
    require(shape.size() == joined.size(), op, ".xs[", i, "]: has shape ", to_string(shape),
            ", expected rank ", joined.size());
    expected[static_cast<size_t>(axis)] = shape[static_cast<size_t>(axis)];
    require(shape == expected, op, ".xs[", i, "]: has shape ", to_string(shape), ", expected that of xs[0], ",
            to_string(shape_of(xs[0])), ", except along axis ", axis);
    joined[static_cast<size_t>(axis)] += shape[static_cast<size_t>(axis)];
  }
  return joined;
}

}  // namespace

Tensor qconcat(std::vector<Tensor> xs, Ints zero_points, const Tensor& multiplier, const Tensor& shift,
               int64_t y_zero_point, int64_t qmin, int64_t qmax, int64_t axis) {
  const std::string op = "qconcat";
  require(!xs.empty(), op, ".xs: is empty, expected at least one tensor");
  const int64_t count = static_cast<int64_t>(xs.size());
  for (int64_t i = 0; i < count; ++i)
    check_tensor(xs[static_cast<size_t>(i)], {dtype_of<uint8_t>()}, op + ".xs[" + std::to_string(i) + "]");
  require(static_cast<int64_t>(zero_points.size()) == count, op, ".zero_points: has ", zero_points.size(),
          " elements, expected ", count);
  const OutputRange out = output_range(y_zero_point, qmin, qmax, op);
  Requantization r = requantization(multiplier, shift, count, out, op);
  r.multiplier.resize(xs.size(), r.multiplier[0]);  // length 1 serves every input
  r.shift.resize(xs.size(), r.shift[0]);
  std::vector<int32_t> z;
  for (int64_t value : zero_points) z.push_back(code(value, op + ".zero_points"));
  const int64_t a = checked_axis(axis, xs[0].dim(), op + ".axis");
  const Shape shape = joined_shape(xs, a, op);

  const Order order = order_of(xs[0]);
  std::vector<Dense<uint8_t>> dense;
  std::vector<Extent> rows;
  std::vector<Operand> data;
  std::vector<int32_t> zero_point, m, s;
  std::vector<bool> identity;
  for (size_t i = 0; i < xs.size(); ++i) {
    if (xs[i].numel() == 0) continue;  // nothing to join
    dense.emplace_back(xs[i], order);
    rows.push_back({1, 1, row_length(shape_of(xs[i]), order, a)});
    data.push_back({dense.back().data(), rows.back()});
    zero_point.push_back(z[i]);
    m.push_back(r.multiplier[i]);
    s.push_back(r.shift[i]);
    // M = 2^30 2^-30 = 1 with equal zero points and no clamp gives every code back.
    identity.push_back(m.back() == 1 << 30 && s.back() == 30 && z[i] == out.zero_point && out.lo == 0 &&
                       out.hi == 255);
  }
  Output<uint8_t> y(shape, order, order, op);
  if (!data.empty()) {
    const LayerPtr layer = make_qconcat(kernels(), rows, 2, zero_point, m, s, identity, out);
    const int64_t total = *numel(shape), row = row_length(shape, order, a);
    run_layer(*layer, data, y.data(), {1, 1, row}, 1, total / row, total);
  }
  return y.take();
}

}  // namespace icepoint::ops
