// From accumulators to codes: constants in the order of the lanes, and the steps that use them.
//
// Two vectors (a, b) of L lanes hold 2 L channels so that packs leave them in their natural order: lane
// 4 l + i of a is channel 8 l + i, lane 4 l + i of b is channel 8 l + 4 + i. Included inside a target region.
#pragma once

namespace icepoint::wide {

/// Requantization of `kVectors` vectors of channels, as it lies in memory.
///
/// With C = 2^(shift-1) + (zero_point << shift) the code is acc multiplier + C >> shift, before the clamp:
/// abs(acc multiplier) < 2^62 and C < 2^62 + 2^53, so int64 holds it; floor(floor(t / 2^32) / 2^(shift-32))
/// is the same shift in 32-bit lanes. From kLeastShift on the lower half of C is 0, so that it can be added
/// behind the division by 2^32. Where the shift is smaller by k, acc is first clamped to
/// -limit - 1..limit = 2^(31-k) - 1 and multiplied by power = 2^k: the same codes, for a clamped acc lies far
/// beyond 0..255. A shift of 2 acts as 3: with multipliers of 2^30 and more, -1 and 1 lie beyond there too.
template <class V, int kVectors>
struct alignas(64) Scales {
  static constexpr int L = V::kLanes;
  uint32_t multiplier[kVectors * L];
  uint64_t even[kVectors * L / 2], odd[kVectors * L / 2];
  uint32_t tail[kVectors * L];
  int32_t limit[kVectors * L], power[kVectors * L];

  /// Channel `c` of `q` goes to one lane.
  void set(int vector, int lane, const Requant& q, int64_t c) {
    const int32_t k = std::clamp(kLeastShift - q.shift[c], 0, 30), shift = std::max(q.shift[c], kLeastShift);
    const int at = vector * L + lane;
    multiplier[at] = static_cast<uint32_t>(q.multiplier[c]);
    const uint64_t offset = (uint64_t{1} << (shift - 1)) + (static_cast<uint64_t>(q.zero_point) << shift);
    (lane % 2 == 0 ? even : odd)[at / 2] = V::scale_offset(multiplier[at], offset);
    tail[at] = V::scale_tail(shift);
    limit[at] = static_cast<int32_t>((uint32_t{1} << (31 - k)) - 1);
    power[at] = int32_t{1} << k;
  }

  ICEPOINT_INLINE typename V::Scale load(int vector) const {
    return {V::load(multiplier + vector * L), V::load(even + vector * L / 2), V::load(odd + vector * L / 2),
            V::load(tail + vector * L)};
  }

  /// acc made ready for shifts of kLeastShift and more: a step that is left out where no shift is smaller.
  ICEPOINT_INLINE typename V::Reg prescale(typename V::Reg acc, int vector) const {
    const auto most = V::load(limit + vector * L), least = V::sub32(V::splat32(-1), most);
    return V::mul32(V::max32(V::min32(acc, most), least), V::load(power + vector * L));
  }
};

/// The vector and lane of channel `c` of a pair of vectors.
template <class V>
struct PairLane {
  int vector, lane;
  constexpr explicit PairLane(int c) : vector(c / 4 % 2), lane(c / 8 * 4 + c % 4) {}
};

/// Residual's sum in registers. A multiplier has 22 bits: m = high 2^7 + low, and int16 holds high, low and
/// a code times 2^7, so that two products of pairs (q, x) make the sum.
template <class V>
struct Sum {
  using Reg = typename V::Reg;
  Reg high, low, offset, zero_point, q_lo, q_hi;
  int shift;

  ICEPOINT_INLINE Sum(const Residual& r, int32_t q_zero_point, int32_t lo, int32_t hi)
      : high(pair(r.q_multiplier >> 7, r.x_multiplier >> 7)),
        low(pair(r.q_multiplier & 127, r.x_multiplier & 127)),
        // At most 2^29 + 2 * 255 * 2^21. Partial sums may wrap; the whole one is below 2^31.
        offset(V::splat32(((1 << r.shift) >> 1) - q_zero_point * r.q_multiplier -
                          r.x_zero_point * r.x_multiplier)),
        zero_point(V::splat16(r.y_zero_point)),
        q_lo(V::splat16(lo)),
        q_hi(V::splat16(hi)),
        shift(r.shift) {}

  static ICEPOINT_INLINE Reg pair(int32_t q, int32_t x) {
    return V::splat32(
        static_cast<int32_t>((static_cast<uint32_t>(x) << 16) | (static_cast<uint32_t>(q) & 0xffff)));
  }

  ICEPOINT_INLINE Reg half(Reg both) const {
    return V::sra32(V::dot16(V::dot16(offset, V::template shl16<7>(both), high), both, low), shift);
  }

  /// q: packed int16 of a pair of vectors, not yet clamped. x: its 2 L bytes. The sum's codes, as int16.
  ICEPOINT_INLINE Reg operator()(Reg q, const uint8_t* x) const {
    q = V::min16(V::max16(q, q_lo), q_hi);
    const Reg other = V::load_u8_as_16(x);
    const Reg sums = V::pack16(half(V::zip_low16(q, other)), half(V::zip_high16(q, other)));
    return V::adds16(sums, zero_point);
  }
};

/// Accumulators of some pixels on their way to codes, 2 L channels of each.
template <class V>
struct PairBlock {
  const int32_t* acc;       // pixel i: L of vector a from acc + i * acc_pixel on, then L of vector b
  int64_t acc_pixel;        // int32 from pixel to pixel
  int64_t acc_row;          // int32 from a pixel to the one below, for a pool
  int64_t pixels;           // of y
  uint8_t* y;               // channel 0 of the pair
  int64_t y_pixel;          // bytes
  const uint8_t* residual;  // where there is one, as y
  int64_t residual_pixel;   // bytes
  int begin, end;           // channels of the pair that are written
  bool prescale;            // some shift of the layer is below kLeastShift
  int32_t lo, hi;           // of y
};

/// The codes of a block: y = clamp(zero_point + requantize(acc), lo, hi), or of the largest acc of 2x2
/// pixels (kPool), or with the residual's sum behind it (`sum`, null without).
template <class V, bool kPool, bool kResidual>
void store_codes(const PairBlock<V>& b, const Scales<V, 2>& scales, const Sum<V>* sum) {
  using Reg = typename V::Reg;
  constexpr int L = V::kLanes;
  const typename V::Scale scale_a = scales.load(0), scale_b = scales.load(1);
  const Reg lo = V::splat8(b.lo), hi = V::splat8(b.hi);

  const auto code = [&](const int32_t* acc, const typename V::Scale& scale,
                        int vector) ICEPOINT_ALWAYS_INLINE {
    Reg v = V::load(acc);
    if constexpr (kPool) {
      const int32_t *right = acc + b.acc_pixel, *below = acc + b.acc_row;
      v = V::max32(V::max32(v, V::load(right)), V::max32(V::load(below), V::load(below + b.acc_pixel)));
    }
    if (b.prescale) v = scales.prescale(v, vector);
    return V::requantize(v, scale);
  };
  // One pixel as int16, in natural order 16 bytes by 16 bytes.
  const auto pixel = [&](int64_t i) ICEPOINT_ALWAYS_INLINE {
    const int32_t* acc = b.acc + i * b.acc_pixel * (kPool ? 2 : 1);
    const Reg codes = V::pack16(code(acc, scale_a, 0), code(acc + L, scale_b, 1));
    if constexpr (kResidual) return (*sum)(codes, b.residual + i * b.residual_pixel);
    return codes;
  };
  const auto both = [&](Reg first, Reg second) ICEPOINT_ALWAYS_INLINE {
    return V::min8(V::max8(V::unmix(V::pack8(first, second)), lo), hi);
  };

  int64_t i = 0;
  uint8_t* y = b.y;
  if (b.begin == 0 && b.end == 2 * L) {
    for (; i + 2 <= b.pixels; i += 2, y += 2 * b.y_pixel) {
      const Reg codes = both(pixel(i), pixel(i + 1));
      V::store_low(y, codes);
      V::store_high(y + b.y_pixel, codes);
    }
    if (i < b.pixels) {
      const Reg last = pixel(i);
      V::store_low(y, both(last, last));
    }
    return;
  }
  const typename V::Part part(b.begin, b.end);
  for (; i < b.pixels; ++i, y += b.y_pixel) {
    const Reg one = pixel(i);
    V::store_low(y, both(one, one), part);
  }
}

/// The accumulators themselves as int32, y in bytes.
template <class V>
void store_accumulators(const PairBlock<V>& b) {
  for (int64_t i = 0; i < b.pixels; ++i) {
    for (int c = b.begin; c < b.end; ++c) {
      const PairLane<V> at(c);
      std::memcpy(b.y + i * b.y_pixel + 4 * c, b.acc + i * b.acc_pixel + at.vector * V::kLanes + at.lane, 4);
    }
  }
}

/// A block's way to y: accumulators or codes, pooled or with the residual's sum.
template <class V>
void store_block(const PairBlock<V>& b, const PackedForm& form, const Scales<V, 2>& scales,
                 const Sum<V>& sum) {
  if (!form.codes)
    store_accumulators(b);
  else if (form.has_residual)
    store_codes<V, false, true>(b, scales, &sum);
  else if (form.max_pool)
    store_codes<V, true, false>(b, scales, nullptr);
  else
    store_codes<V, false, false>(b, scales, nullptr);
}

}  // namespace icepoint::wide
