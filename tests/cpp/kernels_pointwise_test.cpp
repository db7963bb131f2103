// Pools and elementwise operators of every table give the reference's bytes.
#include "table_cases.h"

namespace icepoint {
namespace {

class PointwiseTables : public TableTest {};
INSTANTIATE_TABLES(PointwiseTables);

Extent any_extent(CaseData& data, int64_t max_side) {
  return {data.pick(1, max_side), data.pick(1, max_side),
          data.one_of<int64_t>({1, 2, 3, 7, 8, 9, 16, 17, 40, 64, 255, 256, 257})};
}

// A window that meets the input everywhere (torch's rule: padding at most half the window).
Window pool_window(CaseData& data, Extent x, bool dilate) {
  Window w;
  for (int axis : {0, 1}) {
    const int64_t in = axis == 0 ? x.h : x.w;
    w.kernel[axis] = data.pick(1, std::min<int64_t>(5, in));
    w.stride[axis] = data.pick(1, 4);
    if (dilate && (w.kernel[axis] - 1) * 2 + 1 <= in) w.dilation[axis] = data.pick(1, 2);
    w.padding[axis] = data.pick(0, w.kernel[axis] / 2),
    w.padding[axis + 2] = data.pick(0, w.kernel[axis] / 2);
  }
  return w;
}

TEST_P(PointwiseTables, MaxPool) {
  for (uint32_t seed = 0; seed < 150; ++seed) {
    CaseData data(seed);
    const Extent x = any_extent(data, 12);
    const Window w = pool_window(data, x, true);
    const bool ceil_mode = data.chance(2);
    const int64_t n = data.pick(1, 3);
    const Extent y{window_output(w, 0, x.h, ceil_mode), window_output(w, 1, x.w, ceil_mode), x.c};
    expect_equal_tables(
        table(), [&](const Kernels& k) { return make_qmax_pool2d(k, x, w, ceil_mode); },
        {any_operand(data, x, n)}, n, {y}, data, "max_pool");
    if (HasFatalFailure()) return;
  }
}

TEST_P(PointwiseTables, AvgPool) {
  for (uint32_t seed = 1000; seed < 1200; ++seed) {
    CaseData data(seed);
    const Extent x = any_extent(data, 12);
    const bool adaptive = data.chance(3), ceil_mode = data.chance(2), include_pad = data.chance(2);
    const Window w = pool_window(data, x, false);
    const std::array<int64_t, 2> size{data.pick(1, 5), data.pick(1, 5)};
    const int64_t override = data.chance(4) ? data.pick(1, 20) : 0;
    const std::vector<int64_t> found = adaptive ? adaptive_avg_pool2d_divisors(x, size)
                                                : avg_pool2d_divisors(x, w, ceil_mode, include_pad, override);
    const std::vector<int32_t> divisors(found.begin(), found.end());
    std::vector<int32_t> multiplier, shift;
    data.requant(static_cast<int64_t>(divisors.size()), 1500, multiplier, shift);
    const DivisorRequant requant{divisors, multiplier, shift, data.range()};
    const int32_t zero = static_cast<int32_t>(data.pick(0, 255));
    const int64_t n = data.pick(1, 3);
    const Extent y =
        adaptive ? Extent{size[0], size[1], x.c}
                 : Extent{window_output(w, 0, x.h, ceil_mode), window_output(w, 1, x.w, ceil_mode), x.c};
    expect_equal_tables(
        table(),
        [&](const Kernels& k) {
          return adaptive ? make_qadaptive_avg_pool2d(k, x, size, zero, requant)
                          : make_qavg_pool2d(k, x, w, ceil_mode, include_pad, override, zero, requant);
        },
        {any_operand(data, x, n)}, n, {y}, data, adaptive ? "adaptive_avg_pool" : "avg_pool");
    if (HasFatalFailure()) return;
  }
}

TEST_P(PointwiseTables, AddAndMul) {
  constexpr int64_t kMost = (1 << 21) - 1;
  for (uint32_t seed = 2000; seed < 2400; ++seed) {
    CaseData data(seed);
    const Extent a = any_extent(data, 6);
    const Extent b = data.chance(3) ? Extent{1, 1, a.c} : a;
    const int64_t n = data.pick(1, 3);
    const auto zeros = data.fill<int32_t>(2, 0, 255);
    const auto factors = data.fill<int32_t>(2, -kMost, kMost);
    const int32_t shift = static_cast<int32_t>(data.chance(2) ? data.pick(18, 22) : data.pick(1, 30));
    std::vector<int32_t> multiplier, mul_shift;
    data.requant(1, 20000, multiplier, mul_shift);
    const OutputRange range = data.range();
    const bool mul = data.chance(2);
    expect_equal_tables(
        table(),
        [&](const Kernels& k) {
          return mul ? make_qmul(k, a, b, zeros[0], zeros[1], multiplier[0], mul_shift[0], range)
                     : make_qadd(k, a, b, zeros[0], factors[0], zeros[1], factors[1], shift, range);
        },
        {any_operand(data, a, n), any_operand(data, b, n)}, n, {a}, data, mul ? "mul" : "add");
    if (HasFatalFailure()) return;
  }
}

TEST_P(PointwiseTables, AffineLookupClamp) {
  for (uint32_t seed = 3000; seed < 3300; ++seed) {
    CaseData data(seed);
    const Extent x = any_extent(data, 6);
    const int64_t n = data.pick(1, 3), kind = data.pick(0, 2);
    std::vector<int32_t> m(x.c), b(x.c), s(x.c);
    for (int64_t c = 0; c < x.c; ++c) {
      m[c] = static_cast<int32_t>(data.pick(-(1 << 21) + 1, (1 << 21) - 1));
      s[c] = static_cast<int32_t>(data.pick(1, 30));
      const int64_t room = (int64_t{1} << 31) - 1 - 255 * std::abs(m[c]) - (int64_t{1} << (s[c] - 1));
      b[c] = static_cast<int32_t>(data.one_of<int64_t>({-room, room, data.pick(-room, room)}));
    }
    const auto table_bytes = data.codes(data.chance(2) ? 256 : 256 * x.c);
    const OutputRange range = data.range();
    const int32_t zero = static_cast<int32_t>(data.pick(0, 255));
    expect_equal_tables(
        table(),
        [&](const Kernels& k) {
          return kind == 0   ? make_qaffine(k, x, zero, m, b, s, range)
                 : kind == 1 ? make_lookup(k, x, table_bytes)
                             : make_clamp(k, x, range.lo, range.hi);
        },
        {any_operand(data, x, n)}, n, {x}, data,
        kind == 0   ? "affine"
        : kind == 1 ? "lookup"
                    : "clamp");
    if (HasFatalFailure()) return;
  }
}

TEST_P(PointwiseTables, UpsampleBilinear) {
  for (uint32_t seed = 4000; seed < 4150; ++seed) {
    CaseData data(seed);
    const Extent x = any_extent(data, 6);
    const std::array<int64_t, 2> size{data.pick(1, 13), data.pick(1, 13)};
    const int64_t n = data.pick(1, 2);
    const bool align = data.chance(2);
    expect_equal_tables(
        table(), [&](const Kernels& k) { return make_upsample_bilinear(k, x, size, align); },
        {any_operand(data, x, n)}, n, {{size[0], size[1], x.c}}, data, "upsample_bilinear");
    if (HasFatalFailure()) return;
  }
}

TEST_P(PointwiseTables, ConcatThroughTables) {
  for (uint32_t seed = 5000; seed < 5100; ++seed) {
    CaseData data(seed);
    const Extent shape = any_extent(data, 5);
    const int axis = static_cast<int>(data.pick(0, 2));
    const int64_t n = data.pick(1, 3), count = data.pick(1, 4);
    std::vector<Extent> extents;
    std::vector<Operand> xs;
    std::vector<bool> identity;
    Extent y = shape;
    int64_t& length = axis == 0 ? y.h : axis == 1 ? y.w : y.c;
    length = 0;
    for (int64_t i = 0; i < count; ++i) {
      extents.push_back(shape);
      length += (axis == 0 ? extents[i].h : axis == 1 ? extents[i].w : extents[i].c) = data.pick(1, 20);
      xs.push_back(any_operand(data, extents[i], n));
      identity.push_back(data.chance(2));
    }
    std::vector<int32_t> multiplier, shift;
    data.requant(count, 255, multiplier, shift);
    const auto zeros = data.fill<int32_t>(count, 0, 255);
    const OutputRange range = data.range();
    expect_equal_tables(
        table(),
        [&](const Kernels& k) {
          return make_qconcat(k, extents, axis, zeros, multiplier, shift, identity, range);
        },
        xs, n, {y}, data, "concat along " + std::to_string(axis));
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace icepoint
