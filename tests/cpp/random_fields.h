// Random legal fields of operators: qparams, ranges, windows, weights, multipliers.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "core/multiplier.h"
#include "graph/validate.h"

namespace icepoint {

class RandomFields {
 protected:
  explicit RandomFields(uint32_t seed) : random_(seed) {}

  int64_t pick(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(random_); }
  double real(double lo, double hi) { return std::uniform_real_distribution<double>(lo, hi)(random_); }

  QParams qparams() {
    const auto bits = static_cast<int32_t>(pick(0, 3) ? 8 : pick(2, 7));
    return {static_cast<float>(std::exp2(real(-6, 2))), static_cast<int32_t>(pick(0, (1 << bits) - 1)), bits};
  }

  int64_t divisor_of(int64_t n) {
    const int64_t d = pick(1, n);
    return n % d == 0 ? d : 1;
  }

  static int64_t channels(const Shape& x) { return x.size() == 2 ? x[1] : x[0]; }

  /// The full range of y, or a part of it as after a fused activation.
  template <class T>
  void set_range(T& op, const QParams& y) {
    op.lo = 0;
    op.hi = y.qmax();
    if (pick(0, 2) == 0) op.lo = y.zero_point;
    if (pick(0, 4) == 0) op.hi = pick(op.lo, op.hi);
  }

  std::pair<Tensor, Tensor> multipliers(int64_t count, double around) {
    std::vector<int32_t> m, s;
    for (int64_t i = 0; i < count; ++i) {
      const Multiplier one = quantize_multiplier(around * std::exp2(real(-1, 1)));
      m.push_back(one.multiplier);
      s.push_back(one.shift);
    }
    return {make_tensor(m, {count}), make_tensor(s, {count})};
  }

  /// Weights of `shape` whose accumulators spread over y's codes.
  Weights weights(const Shape& shape, int64_t oc, const QParams& x, const QParams& y) {
    Weights w;
    w.bits = pick(0, 2) ? 8 : pick(2, 7);
    w.affine = pick(0, 2) == 0;
    const int64_t count = *numel(shape), most = (1 << (w.bits - 1)) - 1;
    std::vector<int32_t> codes(count);
    for (int32_t& code : codes)
      code = static_cast<int32_t>(w.affine ? pick(0, 2 * most + 1) : pick(-most, most));
    if (w.bits < 8) {
      const std::vector<uint8_t> packed = pack_codes(codes, count / shape[0], static_cast<int>(w.bits));
      w.weight = make_tensor(packed, {shape[0], std::ssize(packed) / shape[0]});
    } else if (w.affine) {
      w.weight = make_tensor(std::vector<uint8_t>(codes.begin(), codes.end()), shape);
    } else {
      w.weight = make_tensor(std::vector<int8_t>(codes.begin(), codes.end()), shape);
    }
    const auto per = [&] { return pick(0, 1) ? oc : 1; };
    w.weight_scale = make_tensor(std::vector<float>{0.01f}, {1});
    if (w.affine) {
      std::vector<int32_t> zero(per());
      for (int32_t& z : zero) z = static_cast<int32_t>(pick(0, 2 * most + 1));
      w.weight_zero_point = make_tensor(zero, {std::ssize(zero)});
    }
    const double reach =
        std::sqrt(static_cast<double>(count) / oc) * static_cast<double>(most) * x.qmax() / 3;
    if (pick(0, 2)) {
      std::vector<int32_t> bias(oc);
      for (int32_t& b : bias) b = static_cast<int32_t>(real(-reach, reach));
      w.bias = make_tensor(bias, {oc});
    }
    std::tie(w.multiplier, w.shift) = multipliers(per(), y.qmax() / (2 * reach));
    return w;
  }

  /// A window that fits `x` and never lies in the padding alone.
  template <class T>
  void set_window(T& op, const Shape& x) {
    for (int axis : {0, 1}) {
      op.kernel_size[axis] = pick(1, std::min<int64_t>(4, x[axis + 1]));
      op.stride[axis] = pick(1, 3);
      op.padding[axis] = pick(0, (op.kernel_size[axis] - 1) / 2);
      op.padding[axis + 2] = pick(0, (op.kernel_size[axis] - 1) / 2);
    }
  }

  template <class T>
  void set_divisors(T& op, const std::vector<int64_t>& divisors, const QParams& y) {
    op.divisors = make_tensor(std::vector<int32_t>(divisors.begin(), divisors.end()), {std::ssize(divisors)});
    std::tie(op.multiplier, op.shift) = multipliers(std::ssize(divisors), 0.3);
    set_range(op, y);
  }

  std::mt19937 random_;
};

}  // namespace icepoint
