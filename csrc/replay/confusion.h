// What was taken for what: accuracy and the confusion matrix.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <vector>

#include "replay/session.h"

namespace icepoint {

/// counts(truth, answer) over `classes` classes.
class Confusion {
 public:
  explicit Confusion(int64_t classes)
      : classes_(classes), counts_(static_cast<size_t>(classes * classes), 0) {}

  void add(int64_t truth, int64_t answer) { ++counts_[static_cast<size_t>(truth * classes_ + answer)]; }
  int64_t at(int64_t truth, int64_t answer) const {
    return counts_[static_cast<size_t>(truth * classes_ + answer)];
  }
  int64_t classes() const { return classes_; }
  int64_t total() const;
  int64_t correct() const;

  /// Up to 20 classes the matrix, rows the truth; above, the twenty most frequent mistakes.
  void print(std::ostream&, const Session&) const;

 private:
  int64_t classes_;
  std::vector<int64_t> counts_;
};

}  // namespace icepoint
