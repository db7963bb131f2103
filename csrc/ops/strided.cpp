// Copies of strided memory: rows where the inner stride is 1, square tiles where it is not.
#include "ops/strided.h"

#include <algorithm>
#include <cstring>

#include "runtime/threads.h"

namespace icepoint::ops {
namespace {

constexpr int64_t kTile = 32;           // a tile of 32 x 32 floats and its copy fit the L1 cache
constexpr int64_t kGrainBytes = 32768;  // less than this is not worth a second thread

// Drops dimensions of size 1 and joins neighbours that are one run in the source.
std::vector<Stride> simplify(const std::vector<Stride>& dims) {
  std::vector<Stride> out;
  for (const Stride& d : dims) {
    if (d.size == 1) continue;
    if (!out.empty() && out.back().stride == d.stride * d.size)
      out.back() = {out.back().size * d.size, d.stride};
    else
      out.push_back(d);
  }
  return out;
}

// Offset in the source of element `index` of the dense order of dims[0..count).
int64_t offset_of(const std::vector<Stride>& dims, size_t count, int64_t index) {
  int64_t offset = 0;
  for (size_t i = count; i-- > 0;) {
    offset += index % dims[i].size * dims[i].stride;
    index /= dims[i].size;
  }
  return offset;
}

int64_t product(const std::vector<Stride>& dims, size_t count) {
  int64_t n = 1;
  for (size_t i = 0; i < count; ++i) n *= dims[i].size;
  return n;
}

void copy_rows(const uint8_t* from, const std::vector<Stride>& dims, size_t element_size, uint8_t* to) {
  const size_t outer = dims.size() - 1;
  const int64_t bytes = dims[outer].size * static_cast<int64_t>(element_size);
  parallel_for(product(dims, outer), std::max<int64_t>(1, kGrainBytes / bytes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t row = begin; row < end; ++row)
                   std::memcpy(to + row * bytes,
                               from + offset_of(dims, outer, row) * static_cast<int64_t>(element_size),
                               static_cast<size_t>(bytes));
               });
}

// The two innermost dimensions (a, b) in tiles, so that each cache line of either side is read or
// written once; a unit of work is a strip of kTile values of a.
template <class T>
void copy_tiles(const T* from, const std::vector<Stride>& dims, T* to) {
  const size_t outer = dims.size() - 2;
  const Stride a = dims[outer], b = dims[outer + 1];
  const int64_t strips = (a.size + kTile - 1) / kTile;
  const int64_t strip_bytes = kTile * b.size * static_cast<int64_t>(sizeof(T));
  parallel_for(product(dims, outer) * strips, std::max<int64_t>(1, kGrainBytes / strip_bytes),
               [&](int64_t begin, int64_t end) {
                 for (int64_t unit = begin; unit < end; ++unit) {
                   const T* x = from + offset_of(dims, outer, unit / strips);
                   T* y = to + unit / strips * a.size * b.size;
                   const int64_t i0 = unit % strips * kTile, i1 = std::min(i0 + kTile, a.size);
                   for (int64_t j0 = 0; j0 < b.size; j0 += kTile) {
                     const int64_t j1 = std::min(j0 + kTile, b.size);
                     for (int64_t i = i0; i < i1; ++i)
                       for (int64_t j = j0; j < j1; ++j) y[i * b.size + j] = x[i * a.stride + j * b.stride];
                   }
                 }
               });
}

}  // namespace

bool is_dense(const std::vector<Stride>& dims) {
  int64_t expected = 1;
  for (size_t i = dims.size(); i-- > 0;) {
    if (dims[i].size != 1 && dims[i].stride != expected) return false;
    expected *= dims[i].size;
  }
  return true;
}

void copy_strided(const void* from, std::vector<Stride> dims, size_t element_size, void* to) {
  for (const Stride& d : dims)
    if (d.size == 0) return;
  dims = simplify(dims);
  if (dims.empty()) dims.push_back({1, 1});
  if (dims.back().stride == 1) {
    copy_rows(static_cast<const uint8_t*>(from), dims, element_size, static_cast<uint8_t*>(to));
    return;
  }
  if (dims.size() == 1) dims.insert(dims.begin(), {1, 0});
  if (element_size == 4)
    copy_tiles(static_cast<const uint32_t*>(from), dims, static_cast<uint32_t*>(to));
  else
    copy_tiles(static_cast<const uint8_t*>(from), dims, static_cast<uint8_t*>(to));
}

}  // namespace icepoint::ops
