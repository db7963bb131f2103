// The weights of a panel, step by step: as they lie, or widened from four bits. Included inside a target
// region.
#pragma once

#include "kernels/amx/store.h"

namespace icepoint::amx {

/// Weights of 4 bits become bytes in a buffer, at most kSteps steps at a time; the pixels that follow find a
/// panel of so few steps widened already.
class Weights {
 public:
  static constexpr int64_t kSteps = 16;  // 32 KiB

  explicit Weights(const wide::Plan& plan) : nibbles_(plan.kind == WeightKind::i4) {}

  /// Steps that may be asked for at once, of `steps`.
  int64_t at_once(int64_t steps) const { return nibbles_ ? std::min(steps, kSteps) : steps; }

  /// Steps begin .. begin + steps - 1 of the panel whose constants are `head`: kPanelStep bytes each.
  const uint8_t* get(const wide::PairHead<Vec>& head, int64_t begin, int64_t steps) {
    const uint8_t* packed = reinterpret_cast<const uint8_t*>(&head + 1);
    if (!nibbles_) return packed + begin * kPanelStep;
    packed += begin * kPanelStep / 2;
    if (packed == widened_) return buffer_;
    widened_ = packed;
    // A word of k of the one vector, the same of the other; in each byte first the lower half.
    const Vec::Nibbles forms[2] = {Vec::Nibbles(head.offset), Vec::Nibbles(head.offset + 64)};
    for (int64_t i = 0; i < steps * kPanelStep / 256; ++i) {
      for (int v = 0; v < 2; ++v) {
        Vec::store(buffer_ + 256 * i + 64 * v, forms[v].widen<0>(packed + 128 * i + 64 * v));
        Vec::store(buffer_ + 256 * i + 64 * v + 128, forms[v].widen<1>(packed + 128 * i + 64 * v));
      }
    }
    return buffer_;
  }

 private:
  bool nibbles_;
  const uint8_t* widened_ = nullptr;
  alignas(64) uint8_t buffer_[kSteps * kPanelStep];
};

}  // namespace icepoint::amx
