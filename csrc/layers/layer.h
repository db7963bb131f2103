// One prepared quantized operator: built once, run many times, from many threads.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "kernels/kernels.h"

namespace icepoint {

/// Pixels around an image, that hold the value's zero point. Sides in the order of Window::padding.
struct Halo {
  int64_t top = 0, left = 0, bottom = 0, right = 0;
  bool operator==(const Halo&) const = default;
};

/// A layer holds its packed weights and tables and is immutable: run() may be called by several
/// threads at once. Inputs and output never overlap.
class Layer {
 public:
  virtual ~Layer() = default;

  /// Units that run() can be split into for a batch of n (often n * oh rows).
  virtual int64_t units(int64_t n) const = 0;

  /// Computes units begin..end of y, and no other byte. Pixels of xs[i] and y lie at the pitches given;
  /// xs[i] has the halo that halo(i) names, filled, and kSlack readable bytes behind it.
  virtual void run(const View* xs, const Output& y, int64_t n, int64_t begin, int64_t end) const = 0;

  /// What this layer reads around input i.
  virtual Halo halo(size_t) const { return {}; }

  /// Bytes of packed weights and tables held.
  virtual int64_t bytes() const { return 0; }
};

using LayerPtr = std::unique_ptr<const Layer>;

}  // namespace icepoint
