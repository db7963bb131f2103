// From output codes to classes and probabilities, and the one text of them: the executable's and Python's.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "format/file.h"

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

/// Name of class i: from the recipe, else the number.
std::string class_name(const Recipe&, int64_t i);

/// Whether output 0 is one code a class, (classes).
bool classifies(const ModelFile&);

/// The table of a classifier's answers: input, class, probability and, where `latency` has a text a sample,
/// latency. names: one a sample; codes: (n, classes) of output 0; the `top` answers of a sample in a line
/// each.
void print_answers(std::ostream&, const ModelFile&, std::span<const std::string> names,
                   std::span<const uint8_t> codes, int64_t top, std::span<const std::string> latency = {});

/// Index of the largest code, the first of equals: torch.argmax of the outputs.
int64_t best(std::span<const uint8_t> codes);

}  // namespace icepoint
