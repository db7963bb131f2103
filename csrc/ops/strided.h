// Copies of strided memory: any view of a tensor to dense elements, on the core's own threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace icepoint::ops {

/// One dimension of a copy: `size` elements, `stride` elements apart in the source (0 where expanded).
struct Stride {
  int64_t size, stride;
};

/// Writes the elements that `dims` (outermost first) select from `from` densely to `to`; element size 1
/// or 4. torch's own copy would do the same with OpenMP, whose threads a child after fork() waits for
/// for ever.
void copy_strided(const void* from, std::vector<Stride> dims, size_t element_size, void* to);

/// Whether the elements lie densely in the order of `dims` already.
bool is_dense(const std::vector<Stride>& dims);

}  // namespace icepoint::ops
