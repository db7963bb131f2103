// Order by codes, probabilities by the output function.
#include "runtime/answers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/table.h"

namespace icepoint {
namespace {

using Kind = OutputFunction::Kind;

template <class T>
std::vector<T> reals(std::span<const uint8_t> codes, const QParams& q, const OutputFunction& f) {
  const Shape shape{std::ssize(codes)};
  std::vector<T> values(codes.size());
  apply(f, q, shape, dense_codes(codes.data(), shape), 0, 1, values.data());
  return values;
}

std::vector<double> probabilities(std::span<const uint8_t> codes, const QParams& q, const OutputFunction& f) {
  if (f.kind == Kind::none) return reals<double>(codes, q, {.kind = Kind::softmax});
  const std::vector<float> given = reals<float>(codes, q, f);
  std::vector<double> values(given.begin(), given.end());
  if (f.kind == Kind::log_softmax)
    for (double& value : values) value = std::exp(value);
  return values;
}

}  // namespace

int64_t best(std::span<const uint8_t> codes) {
  return std::max_element(codes.begin(), codes.end()) - codes.begin();
}

std::vector<Answer> top_answers(std::span<const uint8_t> codes, const QParams& q, const OutputFunction& f,
                                int64_t k) {
  if (f.kind == Kind::argmax) return {{best(codes), std::nullopt}};
  std::vector<int64_t> order(codes.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto larger = [&](int64_t a, int64_t b) {
    const uint8_t x = codes[static_cast<size_t>(a)], y = codes[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  const auto end = order.begin() + std::min<int64_t>(k, std::ssize(order));
  std::partial_sort(order.begin(), end, order.end(), larger);
  const std::vector<double> probability = probabilities(codes, q, f);
  std::vector<Answer> answers;
  for (auto i = order.begin(); i != end; ++i) answers.push_back({*i, probability[static_cast<size_t>(*i)]});
  return answers;
}

std::string class_name(const Recipe& recipe, int64_t i) {
  const auto& names = recipe.classes;
  return static_cast<size_t>(i) < names.size() ? names[static_cast<size_t>(i)] : std::to_string(i);
}

bool classifies(const ModelFile& file) {
  return file.output(0).shape.size() == 1;
}

void print_answers(std::ostream& out, const ModelFile& file, std::span<const std::string> names,
                   std::span<const uint8_t> codes, int64_t top, std::span<const std::string> latency) {
  const ValueInfo& y = file.output(0);
  const auto each = static_cast<size_t>(y.shape[0]);
  std::vector<std::string> titles{"input", "class", ">probability"};
  if (!latency.empty()) titles.push_back(">latency");
  Table table(titles);
  for (size_t i = 0; i < names.size(); ++i) {
    bool first = true;
    for (const Answer& a : top_answers(codes.subspan(i * each, each), y.q, file.output_function(0), top)) {
      table.add({first ? names[i] : "", class_name(file.recipe, a.index),
                 a.probability ? decimal(*a.probability * 100, 2) + " %" : "",
                 first && !latency.empty() ? latency[i] : ""});
      first = false;
    }
  }
  table.print(out);
}

}  // namespace icepoint
