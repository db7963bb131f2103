// The codes of a weight tensor, plain or packed, without widening it whole.
#pragma once

#include <cstdint>

#include "graph/graph.h"

namespace icepoint {

/// Shape of the stored tensor: the operator's own at 8 bits, (rows, bytes of a row) below.
Shape stored_shape(int64_t bits, const Shape& shape);

/// Reads codes of a tensor whose dtype and shape have been checked. `shape` is the operator's own.
class WeightCodes {
 public:
  WeightCodes(const Weights& weights, const Shape& shape);

  int64_t rows() const { return rows_; }
  int64_t row() const { return row_; }  // codes in one row

  /// Codes first..first+count of row r: symmetric ones are signed, affine ones 0..2^bits - 1.
  void read(int64_t r, int64_t first, int64_t count, int16_t* codes) const;

  /// The bits behind the last code of row r, which a canonical file leaves zero.
  int unused_bits(int64_t r) const;

 private:
  const uint8_t* data_;
  int64_t rows_, row_, row_bytes_;
  int bits_;
  bool affine_;
};

}  // namespace icepoint
