// Reference qlinear: acc = bias + sum (x - zx) w', then Q(acc).
#include <cstring>

#include "kernels/reference/table.h"

namespace icepoint::reference {

// Packed is the weight as it comes: (out, in).
size_t linear_packed_size(int64_t in, int64_t out) {
  return sizeof(int16_t) * in * out;
}

void linear_pack(int64_t in, int64_t out, const int16_t* weight, void* packed) {
  std::memcpy(packed, weight, linear_packed_size(in, out));
}

void linear(const LinearArgs& a) {
  for (int64_t row = a.row_begin; row < a.row_end; ++row) {
    const uint8_t* x = a.x + row * a.in;
    for (int64_t o = a.out_begin; o < a.out_end; ++o) {
      const int16_t* w = static_cast<const int16_t*>(a.weight) + o * a.in;
      int64_t acc = a.bias[o];
      for (int64_t k = 0; k < a.in; ++k) acc += (x[k] - a.x_zero_point) * w[k];
      store(a.requant, a.y, row * a.out + o, o, acc);
    }
  }
}

}  // namespace icepoint::reference
