// From output codes to classes and probabilities.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/output_function.h"

namespace icepoint {

struct Answer {
  int64_t index = 0;
  std::optional<double> probability;  // absent where the model gives classes alone
};

/// The `k` largest codes of an output of shape (classes), ties by the smaller index; all where k is larger.
/// Codes order as their reals do, and softmax, log_softmax and sigmoid keep that order: class and order are
/// integers. The probability is what the model's own function gives in float32 (of log_softmax its exp), and
/// where it has none the softmax of the dequantized codes in double. Of argmax there is none, and one answer.
std::vector<Answer> top_answers(std::span<const uint8_t> codes, const QParams&, const OutputFunction&,
                                int64_t k);

/// Index of the largest code, the first of equals: torch.argmax of the outputs.
int64_t best(std::span<const uint8_t> codes);

}  // namespace icepoint
