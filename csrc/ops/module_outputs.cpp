// icepoint._C, the functions that end a network: of codes that have not been frozen into a file yet.
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

py::array_t<float> output_function(const py::array& codes, double scale, int64_t zero_point,
                                   const std::string& function) {
  const std::string who = "output_function";
  const auto dense = dense_array<uint8_t>(codes, who + ".codes");
  require_range(dense.ndim(), 2, 4, who + ".codes: the number of dimensions");
  require_range(zero_point, 0, 255, who + ".zero_point");
  const QParams q{static_cast<float>(scale), static_cast<int32_t>(zero_point), 8};
  check_qparams(q, who);
  Shape shape = shape_of(dense);
  const int64_t n = shape.front();
  shape.erase(shape.begin());
  for (int64_t side : shape) require_range(side, 1, INT64_MAX, who + ".codes: a side behind the batch");
  // The file's own spelling and reader: one function of one output.
  const OutputFunction f = parse_output_recipe("[" + function + "]").at(0);
  check_output_function(f, shape, who);
  Shape after = shape_after(f, shape);
  after.insert(after.begin(), n);
  py::array_t<float> reals = new_array<float>(after);
  const LaidCodes laid = dense_codes(dense.data(), shape);
  float* const y = reals.mutable_data();
  const int64_t lines = lines_of(f, shape), along = laid.image / lines;
  {
    const py::gil_scoped_release release;
    parallel_for(n * lines, std::max<int64_t>(1, kGrain / along),
                 [&](int64_t begin, int64_t end) { apply(f, q, shape, laid, begin, end, y); });
  }
  return reals;
}

}  // namespace

void bind_outputs(py::module_& m) {
  m.def("output_function", &output_function, py::arg("codes"), py::arg("scale"), py::arg("zero_point"),
        py::arg("function"),
        R"(What Model.run computes behind an output's codes: float32, of uint8 codes (n, ...) of rank 2..4.

function: JSON of one output as the file has it, '{"function": "softmax", "axis": 0}' (docs/format.md).
argmax gives its indices. ValueError for an axis that the codes do not have, and for scale and zero_point
that no QParam has.)");
}

}  // namespace icepoint::ops
