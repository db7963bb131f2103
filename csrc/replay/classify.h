// From output codes to classes and probabilities.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "core/qparams.h"

namespace icepoint {

/// float32(q - zero_point) * scale, one float32 multiplication each.
std::vector<float> dequantize(std::span<const uint8_t> codes, const QParams&);

struct Answer {
  int64_t index = 0;
  double probability = 0;  // softmax of the dequantized codes, in double
};

/// The `k` largest codes, ties by the smaller index, and their probabilities; all where k is larger.
/// Codes order as their reals do, so class and order are integers; only the probability is a float.
std::vector<Answer> top_answers(std::span<const uint8_t> codes, const QParams&, int64_t k);

/// Index of the largest code, the first of equals: torch.argmax of the outputs.
int64_t best(std::span<const uint8_t> codes);

}  // namespace icepoint
