// A frozen model in words and numbers: what `inspect` and Python show.
#pragma once

#include <string>

#include "runtime/model.h"

namespace icepoint {

/// One JSON document, keys in this order:
///   digest, file_bytes, version, arithmetic, isa
///   inputs    [{name, shape, scale, zero_point, bits}]
///   outputs   [{name, value, shape, scale, zero_point, bits, and, where the file gives the output one,
///               function: {function, axis, keepdim}, accumulators: true}]   value numbers: inputs first,
///               then ops. The shape is that of run(), behind the function; the codes' own is the op's
///   ops       [{name, op, inputs, shape, scale, zero_point, bits, macs, params, weight_bytes, fields,
///               overflow: {lo, hi, headroom_bits} where the op accumulates}]
///   totals    {ops, macs, params, weight_bytes, packed_bytes, arena_bytes}
///   overflow  {layers, headroom_bits}: the least of all layers, null where none accumulates
///   recipe, made_by, self_check {images, layers, outputs}
/// Shapes are logical, without the batch; macs, arena_bytes (peak activation memory) are of one image;
/// weight_bytes is what an op's tensors take in the file, packed_bytes what this machine holds. A tensor
/// field is {dtype, shape, bytes}. headroom_bits: the accumulator could be 2^headroom_bits times larger.
std::string describe_json(const Model&);

}  // namespace icepoint
