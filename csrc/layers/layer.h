// One prepared quantized operator on plain arrays: built once, run many times, from many threads.
#pragma once

#include <cstdint>
#include <memory>

namespace icepoint {

/// Height, width, channels of one image in storage order. A vector (f) is {1, 1, f}; a sequence
/// (t, f) is {1, t, f}: so linear and channel-wise operators always work on c.
struct Extent {
  int64_t h = 1, w = 1, c = 1;
  int64_t numel() const { return h * w * c; }
  bool operator==(const Extent&) const = default;
};

/// A layer holds its packed weights and tables and is immutable: run() may be called by several
/// threads at once. xs[i] and y are dense (n, h, w, c) uint8, and never overlap.
class Layer {
 public:
  virtual ~Layer() = default;

  /// Units that run() can be split into for a batch of n (often n * oh rows).
  virtual int64_t units(int64_t n) const = 0;

  /// Computes units begin..end of y, and no other byte.
  virtual void run(const uint8_t* const* xs, void* y, int64_t n, int64_t begin, int64_t end) const = 0;

  /// Bytes of packed weights and tables held.
  virtual int64_t bytes() const { return 0; }
};

using LayerPtr = std::unique_ptr<const Layer>;

}  // namespace icepoint
