// Convolution of a table whose vectors multiply int16: which algorithm packs a layer, and which one runs it.
#pragma once

#include "kernels/wide/conv2d.h"
#include "kernels/wide/narrow_table.h"
#include "kernels/wide/strassen.h"
#include "kernels/wide/winograd.h"

namespace icepoint::wide {

/// `narrow` are the table's own for narrow groups. Tiles come first where they fit: they save more.
template <class V>
size_t qconv2d16_packed_size(const NarrowKernels& narrow, const Conv2dSpec& spec) {
  if (is_narrow(spec.g)) return narrow.packed_size(spec);
  if (winograd_fits(spec)) return winograd_plan<V>(spec).packed_size();
  if (strassen_fits<V>(spec)) return strassen_plan<V>(spec).packed_size();
  return conv2d_packed_size<V>(spec);
}

template <class V>
void qconv2d16_pack(const NarrowKernels& narrow, const Conv2dSpec& spec, void* packed) {
  if (is_narrow(spec.g)) return narrow.pack(spec, packed);
  if (winograd_fits(spec)) return winograd_pack<V>(spec, packed);
  if (strassen_fits<V>(spec)) return strassen_pack<V>(spec, packed);
  conv2d_pack<V>(spec, packed);
}

template <class V>
void qconv2d16(const NarrowKernels& narrow, const Conv2dArgs& args) {
  if (is_narrow(*args.g)) return narrow.conv2d(args);
  switch (algorithm_of(args.packed)) {
    case Algorithm::winograd:
      return Winograd<V>(args).run();
    case Algorithm::strassen:
      return strassen<V>(args);
    default:
      return Conv2d<V>(args).run();
  }
}

}  // namespace icepoint::wide
