// icepoint._C, the functions that end a network: of integers that have not been frozen into a file yet.
#include <algorithm>

#include "core/output_function.h"
#include "format/recipes.h"
#include "ops/arrays.h"
#include "ops/module.h"
#include "runtime/threads.h"

namespace icepoint::ops {
namespace {

// Codes that a thread takes at least; an exp costs tens of nanoseconds.
constexpr int64_t kGrain = 4096;

py::array_t<float> output_function(const py::array& reals, const std::string& function) {
  const std::string who = "output_function";
  const auto dense = dense_array<float>(reals, who + ".reals");
  require_range(dense.ndim(), 2, 4, who + ".reals: the number of dimensions");
  Shape shape = shape_of(dense);
  const int64_t n = shape.front();
  shape.erase(shape.begin());
  for (int64_t side : shape) require_range(side, 1, INT64_MAX, who + ".reals: a side behind the batch");
  // The file's own spelling and reader: one function of one output.
  const OutputFunction f = parse_output_recipe("[" + function + "]").at(0);
  check_output_function(f, shape, who);
  Shape after = shape_after(f, shape);
  after.insert(after.begin(), n);
  py::array_t<float> made = new_array<float>(after);
  const LaidValues laid = dense_reals(dense.data(), shape);
  float* const y = made.mutable_data();
  const int64_t lines = lines_of(f, shape), along = laid.image / lines;
  {
    const py::gil_scoped_release release;
    parallel_for(n * lines, std::max<int64_t>(1, kGrain / along),
                 [&](int64_t begin, int64_t end) { apply(f, shape, laid, begin, end, y); });
  }
  return made;
}

}  // namespace

void bind_outputs(py::module_& m) {
  m.def("output_function", &output_function, py::arg("reals"), py::arg("function"),
        R"(What Model.run computes of an output's reals: float32, of float32 (n, ...) of rank 2..4.

function: JSON of one output as the file has it, '{"function": "softmax", "axis": 0}' (docs/format.md).
argmax gives its indices. ValueError for an axis that the reals do not have.)");
}

}  // namespace icepoint::ops
