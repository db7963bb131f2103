// The edges of a frozen graph: logical (torch) order, floats or codes, to and from storage.
#pragma once

#include <array>

#include "graph/validate.h"
#include "kernels/kernels.h"
#include "layers/layer.h"

namespace icepoint {

/// A value as callers see it, (n, c, h, w) codes or floats, and as it lies, (n, h, w, c) codes. Work is
/// counted in planes: one channel of one image, or a whole image where the two orders agree.
class Edge {
 public:
  explicit Edge(const ValueInfo& value);

  int64_t count() const { return planes_ * pixels_; }  // elements of one image
  int64_t planes(int64_t n) const { return n * planes_; }

  /// Planes begin..end of `x`, logical, into `slot`. Floats are quantized inside a FloatEnv.
  void load(const uint8_t* x, uint8_t* slot, int64_t begin, int64_t end) const;
  void load(const Kernels&, const float* x, uint8_t* slot, int64_t begin, int64_t end) const;

  /// Planes begin..end of `slot` into `y`, logical; floats are float32(q - zero_point) * scale.
  void store(const uint8_t* slot, uint8_t* y, int64_t begin, int64_t end) const;
  void store(const uint8_t* slot, float* y, int64_t begin, int64_t end) const;

 private:
  QParams q_;
  int64_t planes_, pixels_;             // of one image; 1 plane where the orders agree
  std::array<float, 256> dequantized_;  // of every code
};

}  // namespace icepoint
