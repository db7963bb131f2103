// Which operators of a graph run as one: decided before any value has a place.
#pragma once

#include <vector>

#include "runtime/plan.h"

namespace icepoint {

/// What make_plan starts from; the fields are Plan's, and more.
struct Fusions {
  std::vector<int64_t> root, host, guest, narrows;
  std::vector<Extent> flattened;
  std::vector<Halo> halo;       // one a value: what is read around its buffer; of a root
  std::vector<int64_t> writer;  // of a root: the node whose step writes it, or -1 for an input
  // of a root: the value of a concatenation in whose buffer it lies, or -1, and its first channel there;
  // that value lies in no other one
  std::vector<int64_t> inside, channel;
  std::vector<std::vector<bool>> moved;  // of a concatenation: the inputs that lie in the result, or empty
};

Fusions find_fusions(const Graph&, const Proof&, bool keep_all);

}  // namespace icepoint
