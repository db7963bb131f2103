// Transposes plane by plane; a plane's pixels lie `planes_` bytes apart in storage.
#include "runtime/edges.h"

#include <algorithm>
#include <cstring>

#include "core/float_env.h"
#include "runtime/plan.h"

namespace icepoint {
namespace {

constexpr int64_t kBlock = 1024;  // floats quantized at a time, on the stack

/// First byte in storage of plane p: image p / planes, channel p % planes.
int64_t storage_begin(int64_t p, int64_t planes, int64_t pixels) {
  return p / planes * planes * pixels + p % planes;
}

template <class T, class Convert>
void gather(const uint8_t* slot, T* y, int64_t planes, int64_t pixels, int64_t begin, int64_t end,
            const Convert& convert) {
  for (int64_t p = begin; p < end; ++p) {
    const uint8_t* from = slot + storage_begin(p, planes, pixels);
    T* to = y + p * pixels;
    for (int64_t i = 0; i < pixels; ++i) to[i] = convert(from[i * planes]);
  }
}

}  // namespace

Edge::Edge(const ValueInfo& value) : q_(value.q) {
  const Extent e = extent_of(value.shape);
  planes_ = stored_as_logical(value.shape) ? 1 : e.c;
  pixels_ = e.numel() / planes_;
  const FloatEnv env;
  for (int32_t code = 0; code < 256; ++code)
    dequantized_[code] = static_cast<float>(code - q_.zero_point) * q_.scale;
}

void Edge::load(const uint8_t* x, uint8_t* slot, int64_t begin, int64_t end) const {
  if (planes_ == 1) {
    std::memcpy(slot + begin * pixels_, x + begin * pixels_, static_cast<size_t>((end - begin) * pixels_));
    return;
  }
  for (int64_t p = begin; p < end; ++p) {
    uint8_t* to = slot + storage_begin(p, planes_, pixels_);
    const uint8_t* from = x + p * pixels_;
    for (int64_t i = 0; i < pixels_; ++i) to[i * planes_] = from[i];
  }
}

void Edge::load(const Kernels& kernels, const float* x, uint8_t* slot, int64_t begin, int64_t end) const {
  const FloatEnv env;
  QuantizeArgs args{x, slot, q_.scale, q_.zero_point, 0, q_.qmax(), begin * pixels_, end * pixels_};
  if (planes_ == 1) return kernels.quantize(args);
  std::array<uint8_t, kBlock> block;
  args.y = block.data();
  args.begin = 0;
  for (int64_t p = begin; p < end; ++p) {
    uint8_t* to = slot + storage_begin(p, planes_, pixels_);
    for (int64_t first = 0; first < pixels_; first += kBlock) {
      args.x = x + p * pixels_ + first;
      args.end = std::min(kBlock, pixels_ - first);
      kernels.quantize(args);
      for (int64_t i = 0; i < args.end; ++i) to[(first + i) * planes_] = block[i];
    }
  }
}

void Edge::store(const uint8_t* slot, uint8_t* y, int64_t begin, int64_t end) const {
  gather(slot, y, planes_, pixels_, begin, end, [](uint8_t code) { return code; });
}

void Edge::store(const uint8_t* slot, float* y, int64_t begin, int64_t end) const {
  gather(slot, y, planes_, pixels_, begin, end, [&](uint8_t code) { return dequantized_[code]; });
}

}  // namespace icepoint
