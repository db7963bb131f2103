// Counting and printing the confusion matrix.
#include "replay/confusion.h"

#include <algorithm>
#include <numeric>
#include <ostream>
#include <tuple>

#include "runtime/table.h"

namespace icepoint {

int64_t Confusion::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), int64_t{0});
}

int64_t Confusion::correct() const {
  int64_t sum = 0;
  for (int64_t i = 0; i < classes_; ++i) sum += at(i, i);
  return sum;
}

void Confusion::print(std::ostream& out, const Session& session) const {
  constexpr int64_t kMaxMatrix = 20;
  constexpr size_t kMaxMistakes = 20;
  if (classes_ <= kMaxMatrix) {
    std::vector<std::string> titles{"truth \\ answer"};
    for (int64_t i = 0; i < classes_; ++i)
      titles.push_back(std::string(1, '>').append(printable(session.class_name(i))));
    Table table(titles);
    for (int64_t truth = 0; truth < classes_; ++truth) {
      std::vector<std::string> row{session.class_name(truth)};
      for (int64_t answer = 0; answer < classes_; ++answer)
        row.push_back(at(truth, answer) ? std::to_string(at(truth, answer)) : ".");
      table.add(std::move(row));
    }
    table.print(out);
    return;
  }
  std::vector<std::tuple<int64_t, int64_t, int64_t>> mistakes;  // -count, truth, answer: sorts as wanted
  for (int64_t truth = 0; truth < classes_; ++truth)
    for (int64_t answer = 0; answer < classes_; ++answer)
      if (truth != answer && at(truth, answer) > 0) mistakes.emplace_back(-at(truth, answer), truth, answer);
  std::sort(mistakes.begin(), mistakes.end());
  mistakes.resize(std::min(mistakes.size(), kMaxMistakes));
  Table table({"truth", "taken for", ">times"});
  for (const auto& [count, truth, answer] : mistakes)
    table.add({session.class_name(truth), session.class_name(answer), std::to_string(-count)});
  table.print(out);
}

}  // namespace icepoint
