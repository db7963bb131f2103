// Packed weights: rows of 2..7-bit codes, little-endian, low bits first, each row padded to a byte.
#include "graph/weights.h"

#include "core/check.h"
#include "graph/validate.h"

namespace icepoint {

namespace {

int64_t bytes_of_row(int64_t row, int64_t bits) {
  return (row * bits + 7) / 8;
}

}  // namespace

Shape stored_shape(int64_t bits, const Shape& shape) {
  if (bits == 8) return shape;
  return {shape[0], bytes_of_row(numel({shape.begin() + 1, shape.end()}).value(), bits)};
}

WeightCodes::WeightCodes(const Weights& weights, const Shape& shape)
    : data_(weights.weight.data.get()),
      rows_(shape[0]),
      row_(numel({shape.begin() + 1, shape.end()}).value()),
      row_bytes_(bytes_of_row(row_, weights.bits)),
      bits_(static_cast<int>(weights.bits)),
      affine_(weights.affine) {}

void WeightCodes::read(int64_t r, int64_t first, int64_t count, int16_t* codes) const {
  const uint8_t* row = data_ + r * row_bytes_;
  if (bits_ == 8) {  // a loop that vectorizes: a large network has 10^8 of them
    for (int64_t k = 0; k < count; ++k) {
      const uint8_t code = row[first + k];
      codes[k] = affine_ ? int16_t{code} : int16_t{static_cast<int8_t>(code)};
    }
    return;
  }
  if (bits_ == 4 && first % 2 == 0) {  // likewise: two codes a byte
    const int sign = affine_ ? 0 : 8;
    const uint8_t* pairs = row + first / 2;
    for (int64_t k = 0; k < count / 2; ++k) {
      codes[2 * k] = static_cast<int16_t>(((pairs[k] & 15) ^ sign) - sign);
      codes[2 * k + 1] = static_cast<int16_t>(((pairs[k] >> 4) ^ sign) - sign);
    }
    if (count % 2 == 1) codes[count - 1] = static_cast<int16_t>(((pairs[count / 2] & 15) ^ sign) - sign);
    return;
  }
  const int mask = (1 << bits_) - 1;
  const int sign = affine_ ? 0 : 1 << (bits_ - 1);
  for (int64_t k = 0; k < count; ++k) {
    const int64_t bit = (first + k) * bits_, at = bit >> 3;
    // A code of at most 8 bits touches at most two bytes; the last one of a row may have no second.
    const int pair = row[at] | (at + 1 < row_bytes_ ? row[at + 1] << 8 : 0);
    const int code = pair >> (bit & 7) & mask;
    codes[k] = static_cast<int16_t>((code ^ sign) - sign);  // two's complement of `bits` bits
  }
}

int WeightCodes::unused_bits(int64_t r) const {
  const int64_t used = row_ * bits_ & 7;
  return used == 0 ? 0 : data_[r * row_bytes_ + row_bytes_ - 1] >> used;
}

WidenedWeights widen(const Weights& weights, const Shape& shape) {
  const WeightCodes codes(weights, shape);
  const int offset = weights.affine ? 128 : 0;  // uint8 codes and their zero points move together
  WidenedWeights wide;
  wide.codes.reserve(static_cast<size_t>(codes.rows() * codes.row()));
  std::vector<int16_t> row(static_cast<size_t>(codes.row()));
  for (int64_t r = 0; r < codes.rows(); ++r) {
    codes.read(r, 0, codes.row(), row.data());
    for (int code : row) wide.codes.push_back(static_cast<int8_t>(code - offset));
  }
  if (!weights.affine) return wide.zero_point.assign(1, 0), wide;
  for (int32_t zero_point : weights.weight_zero_point.as<int32_t>())
    wide.zero_point.push_back(zero_point - offset);
  return wide;
}

std::vector<uint8_t> pack_codes(const std::vector<int32_t>& codes, int64_t row, int bits) {
  require_range(bits, 2, 7, "pack_codes.bits");
  const auto count = static_cast<int64_t>(codes.size());
  require(row >= 1 && count % row == 0, "pack_codes.row: ", count, " codes are not rows of ", row);
  const int64_t row_bytes = bytes_of_row(row, bits);
  const int32_t least = -((1 << (bits - 1)) - 1), greatest = (1 << bits) - 1;
  std::vector<uint8_t> packed(static_cast<size_t>(count / row * row_bytes));
  for (int64_t i = 0; i < count; ++i) {
    require_range(codes[i], least, greatest, "pack_codes.codes[" + std::to_string(i) + "]");
    const int64_t bit = i % row * bits;
    uint8_t* at = packed.data() + i / row * row_bytes + (bit >> 3);
    const int placed = (codes[i] & greatest) << (bit & 7);  // at most 15 bits
    at[0] = static_cast<uint8_t>(at[0] | placed);
    if (placed > 0xFF) at[1] = static_cast<uint8_t>(at[1] | placed >> 8);
  }
  return packed;
}

}  // namespace icepoint
