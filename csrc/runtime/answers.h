// From output reals to classes and probabilities, and the one text of them: the executable's and Python's.
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

/// The `k` largest reals of an output of shape (classes), as Model::run_both gives them, before any function;
/// ties by the smaller index; all where k is larger. softmax, log_softmax and sigmoid keep that order. The
/// probability is what the model's own function gives in float32 (of log_softmax its exp), and where it has
/// none the softmax of the reals in double. Of argmax there is none, and one answer.
std::vector<Answer> top_answers(std::span<const float> reals, const OutputFunction&, int64_t k);

/// Name of class i: from the recipe, else the number.
std::string class_name(const Recipe&, int64_t i);

/// Whether output 0 is one number a class, (classes).
bool classifies(const ModelFile&);

/// The table of a classifier's answers: input, class, probability and, where `latency` has a text a sample,
/// latency. names: one a sample; reals: (n, classes) of output 0, as top_answers takes them; the `top`
/// answers of a sample in a line each.
void print_answers(std::ostream&, const ModelFile&, std::span<const std::string> names,
                   std::span<const float> reals, int64_t top, std::span<const std::string> latency = {});

/// Index of the largest, the first of equals: torch.argmax of the outputs.
int64_t best(std::span<const float> reals);

}  // namespace icepoint
