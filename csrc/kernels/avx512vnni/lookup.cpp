// y = table[x] with the whole table in four registers: for the CPUs of avx512vnni that have VBMI too.
#include "kernels/avx512vnni/table.h"
#include "kernels/wide/prelude.h"

#if defined(__x86_64__)
ICEPOINT_TARGET_BEGIN("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")
#include "kernels/wide/runs.h"

namespace icepoint::avx512vnni {

namespace {

struct Permuted {
  static constexpr int kBytes = 64;
  static ICEPOINT_INLINE void store(uint8_t* y, __m512i v) { _mm512_storeu_si512(y, v); }
  static ICEPOINT_INLINE void store_first(uint8_t* y, __m512i v, int64_t n) {
    _mm512_mask_storeu_epi8(y, (uint64_t{1} << n) - 1, v);
  }
};

}  // namespace

void lookup_vbmi(const LookupArgs& a) {
  const __m512i t0 = _mm512_loadu_si512(a.table), t1 = _mm512_loadu_si512(a.table + 64);
  const __m512i t2 = _mm512_loadu_si512(a.table + 128), t3 = _mm512_loadu_si512(a.table + 192);
  const bool dense = a.x.pixel == a.c && a.y.pixel == a.c;
  wide::for_each_run<Permuted>(
      a.h, a.w, a.c, a.begin, a.end, dense,
      [&](int64_t image, int64_t row, int64_t column, int64_t n) ICEPOINT_ALWAYS_INLINE {
        const uint8_t* from = a.x.at(image, row, column);
        wide::fill<Permuted>(a.y.at(image, row, column), n, [&](int64_t i) ICEPOINT_ALWAYS_INLINE {
          // Seven bits of a code choose among 128 bytes, the eighth between the two halves.
          const __m512i x = _mm512_loadu_si512(from + i);
          return _mm512_mask_blend_epi8(_mm512_movepi8_mask(x), _mm512_permutex2var_epi8(t0, x, t1),
                                        _mm512_permutex2var_epi8(t2, x, t3));
        });
      });
}

}  // namespace icepoint::avx512vnni

ICEPOINT_TARGET_END
#endif
