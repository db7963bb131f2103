// Softmax and order.
#include "replay/classify.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/float_env.h"

namespace icepoint {

std::vector<float> dequantize(std::span<const uint8_t> codes, const QParams& q) {
  const FloatEnv env;
  std::vector<float> values(codes.size());
  std::transform(codes.begin(), codes.end(), values.begin(),
                 [&](uint8_t code) { return static_cast<float>(code - q.zero_point) * q.scale; });
  return values;
}

int64_t best(std::span<const uint8_t> codes) {
  return std::max_element(codes.begin(), codes.end()) - codes.begin();
}

std::vector<Answer> top_answers(std::span<const uint8_t> codes, const QParams& q, int64_t k) {
  const std::vector<float> logits = dequantize(codes, q);
  // exp(x - max) <= 1: neither overflow nor a sum of zero.
  const double max = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float x : logits) sum += std::exp(x - max);

  std::vector<int64_t> order(codes.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto larger = [&](int64_t a, int64_t b) {
    const uint8_t x = codes[static_cast<size_t>(a)], y = codes[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  const auto end = order.begin() + std::min<int64_t>(k, std::ssize(order));
  std::partial_sort(order.begin(), end, order.end(), larger);
  std::vector<Answer> answers;
  for (auto i = order.begin(); i != end; ++i)
    answers.push_back({*i, std::exp(logits[static_cast<size_t>(*i)] - max) / sum});
  return answers;
}

}  // namespace icepoint
