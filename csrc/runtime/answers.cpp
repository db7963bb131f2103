// Order by reals, probabilities by the output function.
#include "runtime/answers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "runtime/table.h"

namespace icepoint {
namespace {

using Kind = OutputFunction::Kind;

template <class T>
std::vector<T> behind(const OutputFunction& f, std::span<const float> reals) {
  const Shape shape{std::ssize(reals)};
  std::vector<T> values(reals.size());
  apply(f, shape, dense_reals(reals.data(), shape), 0, 1, values.data());
  return values;
}

std::vector<double> probabilities(std::span<const float> reals, const OutputFunction& f) {
  if (f.kind == Kind::none) return behind<double>({.kind = Kind::softmax}, reals);
  const std::vector<float> given = behind<float>(f, reals);
  std::vector<double> values(given.begin(), given.end());
  if (f.kind == Kind::log_softmax)
    for (double& value : values) value = std::exp(value);
  return values;
}

}  // namespace

int64_t best(std::span<const float> reals) {
  return std::max_element(reals.begin(), reals.end()) - reals.begin();
}

std::vector<Answer> top_answers(std::span<const float> reals, const OutputFunction& f, int64_t k) {
  if (f.kind == Kind::argmax) return {{best(reals), std::nullopt}};
  std::vector<int64_t> order(reals.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto larger = [&](int64_t a, int64_t b) {
    const float x = reals[static_cast<size_t>(a)], y = reals[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  const auto end = order.begin() + std::min<int64_t>(k, std::ssize(order));
  std::partial_sort(order.begin(), end, order.end(), larger);
  const std::vector<double> probability = probabilities(reals, f);
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
                   std::span<const float> reals, int64_t top, std::span<const std::string> latency) {
  const auto each = static_cast<size_t>(file.output(0).shape[0]);
  std::vector<std::string> titles{"input", "class", ">probability"};
  if (!latency.empty()) titles.push_back(">latency");
  Table table(titles);
  for (size_t i = 0; i < names.size(); ++i) {
    bool first = true;
    for (const Answer& a : top_answers(reals.subspan(i * each, each), file.output_function(0), top)) {
      table.add({first ? names[i] : "", class_name(file.recipe, a.index),
                 a.probability ? decimal(*a.probability * 100, 2) + " %" : "",
                 first && !latency.empty() ? latency[i] : ""});
      first = false;
    }
  }
  table.print(out);
}

}  // namespace icepoint
