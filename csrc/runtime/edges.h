// The edges of a frozen graph: logical (torch) order, floats or codes, to and from storage.
#pragma once

#include "graph/validate.h"
#include "kernels/kernels.h"
#include "runtime/plan.h"

namespace icepoint {

/// A value as callers see it, (n, c, h, w) codes or floats, and as it lies. Work is counted in rows of its
/// images; a value that lies in logical order is one row of one channel.
class Edge {
 public:
  Edge(const ValueInfo& value, const Place& place);

  int64_t count() const { return extent_.numel(); }  // elements of one image
  int64_t rows(int64_t n) const { return n * extent_.h; }

  /// Rows begin..end of `x`, logical, into the arena of n images.
  void load(const uint8_t* x, uint8_t* arena, int64_t n, int64_t begin, int64_t end) const;
  void load(const Kernels&, const float* x, uint8_t* arena, int64_t n, int64_t begin, int64_t end) const;

  /// Rows begin..end of the value into `y`, logical; floats are float32(q - zero_point) * scale.
  void store(uint8_t* arena, int64_t n, uint8_t* y, int64_t begin, int64_t end) const;
  void store(const Kernels&, uint8_t* arena, int64_t n, float* y, int64_t begin, int64_t end) const;

 private:
  Output view(uint8_t* arena, int64_t n) const;

  QParams q_;
  Place place_;
  Extent extent_;  // with pixels in place of channels where the orders agree and no halo parts the rows
};

}  // namespace icepoint
