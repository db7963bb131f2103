// Portable qlinear: samples are the rows of one multiplication.
#include "kernels/portable/matmul.h"
#include "kernels/portable/table.h"

namespace icepoint::portable {

size_t linear_packed_size(int64_t in, int64_t out) {
  return sizeof(int16_t) * matmul_packed_count(out, in);
}

void linear_pack(int64_t in, int64_t out, const int16_t* weight, void* packed) {
  matmul_pack(
      out, in, [=](int64_t o, int64_t k) { return weight[o * in + k]; }, static_cast<int16_t*>(packed));
}

void linear(const LinearArgs& a) {
  const Matmul m{.packed = static_cast<const int16_t*>(a.weight),
                 .lanes = a.out,
                 .k = a.in,
                 .lane_begin = a.out_begin,
                 .lane_end = a.out_end,
                 .bias = a.bias,
                 .requant = a.requant,
                 .channel = 0,
                 .y = a.y,
                 .y_step = a.out,
                 .begin = a.row_begin,
                 .end = a.row_end};
  matmul(m, [&](int64_t row, int64_t rows, int64_t begin, int64_t end, int16_t* to) {
    for (int64_t r = row; r < row + rows; ++r, to += kStep)
      centre(a.x + r * a.in + begin, end - begin, a.x + (r + 1) * a.in, a.x_zero_point, to);
  });
}

}  // namespace icepoint::portable
