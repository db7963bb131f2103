// From rows of views to runs of neighbouring bytes, and from runs to vectors.
//
// Like all of wide/: included inside a target region; V is the region's own Codes, so that no two regions
// define one function.
#pragma once

namespace icepoint::wide {

/// f(image, y, x, n) for runs of n bytes that begin at pixel (y, x) and together cover the rows begin..end:
/// whole rows where pixels are neighbours in every view (`dense`), else pixels.
template <class V, class F>
ICEPOINT_INLINE void for_each_run(int64_t h, int64_t w, int64_t c, int64_t begin, int64_t end, bool dense,
                                  const F& f) {
  int64_t image = begin / h, y = begin % h;
  for (int64_t row = begin; row < end; ++row) {
    if (dense)
      f(image, y, int64_t{0}, w * c);
    else
      for (int64_t x = 0; x < w; ++x) f(image, y, x, c);
    if (++y == h) y = 0, ++image;
  }
}

/// y[i] = code(i) for i < n. code(i) gives V::kBytes codes from i on, and reads as many bytes of its inputs,
/// which kSlack allows; what lies beyond n is not stored.
template <class V, class F>
ICEPOINT_INLINE void fill(uint8_t* y, int64_t n, const F& code) {
  int64_t i = 0;
  for (; i + V::kBytes <= n; i += V::kBytes) V::store(y + i, code(i));
  if (i < n) V::store_first(y + i, code(i), n - i);
}

}  // namespace icepoint::wide
