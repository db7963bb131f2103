// The edges of a frozen graph: logical (torch) order, floats or codes, to and from storage.
#pragma once

#include <memory>

#include "core/output_function.h"
#include "graph/validate.h"
#include "kernels/kernels.h"
#include "runtime/accumulators.h"
#include "runtime/plan.h"

namespace icepoint {

/// A value as callers see it, (n, c, h, w) codes or floats, and as it lies. Work is counted in rows of its
/// images; a value that lies in logical order is one row of one channel. The reals of an output that has a
/// function are made in lines instead, core/output_function.h.
class Edge {
 public:
  Edge(const ValueInfo& value, const Place& place, const OutputFunction& function = {},
       std::shared_ptr<const Accumulators> accumulators = nullptr);

  int64_t count() const { return extent_.numel(); }  // codes of one image
  int64_t rows(int64_t n) const { return n * extent_.h; }
  int64_t reals() const { return reals_of(function_, shape_); }  // of one image
  int64_t lines(int64_t n) const { return n * lines_of(function_, shape_); }
  bool has_function() const { return function_.kind != OutputFunction::Kind::none; }

  /// Rows begin..end of `x`, logical, into the arena of n images.
  void load(const uint8_t* x, uint8_t* arena, int64_t n, int64_t begin, int64_t end) const;
  void load(const Kernels&, const float* x, uint8_t* arena, int64_t n, int64_t begin, int64_t end) const;

  /// Rows begin..end of the value into `y`, logical: its codes, or its reals without the function,
  /// float32(q - zero_point) * scale or those of its accumulators.
  void store(uint8_t* arena, int64_t n, uint8_t* y, int64_t begin, int64_t end) const;
  void store(const Kernels&, uint8_t* arena, int64_t n, float* y, int64_t begin, int64_t end) const;
  /// Lines begin..end of what the function makes of the reals.
  void store_function(uint8_t* arena, int64_t n, float* y, int64_t begin, int64_t end) const;

 private:
  Output view(uint8_t* arena, int64_t n) const;

  Shape shape_;
  QParams q_;
  OutputFunction function_;
  std::shared_ptr<const Accumulators> accumulators_;  // null: the value lies as codes
  Place place_;
  Extent extent_;  // with pixels in place of channels where the orders agree and no halo parts the rows
};

}  // namespace icepoint
