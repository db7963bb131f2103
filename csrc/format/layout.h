// The .ice file, version 1. This comment is its specification; docs/format.md is the same for
// strangers, with every operator's fields and an example.
//
// A frozen file is a safetensors file with stricter rules. All integers are little-endian.
//
//   bytes 0..7        N, the header's length, uint64
//   bytes 8..8+N      the header: JSON in UTF-8, then spaces (0x20) until 8 + N is a multiple of 64
//   bytes 8+N..end    the payload: every tensor's elements, dense, without holes, to the last byte
//
// One model has one sequence of bytes. Everything below is exact, and a reader refuses any other
// spelling: no white space in the JSON, no escape but \" and \\, integers in plain decimal, floats as
// the shortest decimal that gives back the double value of the float32, keys of each object sorted
// by their bytes (the outermost excepted: "__metadata__", then the tensors in payload order).
//
// __metadata__ has exactly these keys, all strings; those behind `format` hold JSON text, `version` a word:
//   digest          64 lower-case hex digits: SHA-256 of the whole file with these 64 bytes as '0'.
//                   It is the first key of the file, so it always lies at bytes 35..98.
//   format          "icepoint"
//   graph           {"arithmetic":1,"inputs":[..],"ops":[..],"outputs":[..]}: graph/graph.h
//   made_by         {name: text}: what wrote the file; at most 64 entries; for people only
//   output_recipe   [{} or {"function":..}, ..], one an output: what is computed from its codes in double.
//                   The only key that may be absent, and is where no output has a function
//   overflow_proof  {operator name: [lo, hi]}: the range of the accumulators of each convolution and
//                   linear layer over all inputs, bias included; a reader proves it again
//   recipe          {} or {"channels","divide","height","mean","std","width" and, where there are
//                   names, "classes" and, where pictures of other sizes are taken, "resize"}: how
//                   pixels become the first input
//   self_check      {"outputs": hex, "values": [hex, ..]}: SHA-256 of the output codes of the whole
//                   model and of each operator for the inputs self_check.0, self_check.1, ...
//   version         "1"
//
// Every other key of the header is a tensor {"data_offsets":[begin,end],"dtype":..,"shape":[..]}:
// "<operator name>.<field>" for each tensor field, "self_check.<i>" for each input of the graph.
// dtype is I8, U8, I32 or F32; rank 1..4. Tensors lie with the 4-byte dtypes first, then sorted by the
// bytes of their names, each directly behind the one before it: so every element is aligned.
//
// Limits, checked before memory is spent: the header has at most 16 MiB, and at most half of the
// file where the file has 1 MiB or more; JSON nests at most 8 deep and holds at most 2^20 values
// a document; the caps of graph/validate.h.
//
// A change of meaning raises `version` (the container) or `arithmetic` (docs/numerics.md). A reader that
// does not know a key refuses the file.
#pragma once

#include <cstddef>
#include <cstdint>

namespace icepoint {

inline constexpr const char* kFormatName = "icepoint";
inline constexpr const char* kFormatVersion = "1";
inline constexpr int64_t kArithmeticVersion = 1;

inline constexpr const char* kHeaderOpening = "{\"__metadata__\":{\"digest\":\"";
inline constexpr size_t kLengthBytes = 8;
inline constexpr size_t kDigestOffset = 35;  // kLengthBytes + the opening's 27 bytes
inline constexpr size_t kDigestChars = 64;
inline constexpr size_t kAlignment = 64;  // of the payload's first byte in the file

inline constexpr size_t kMaxHeaderBytes = size_t{16} << 20;
inline constexpr size_t kSmallFileBytes = size_t{1} << 20;  // below, the header may be any part
inline constexpr int64_t kMaxTensorRank = 4;

inline constexpr size_t kMaxJsonDepth = 8;
inline constexpr size_t kMaxJsonValues = size_t{1} << 20;

inline constexpr size_t kMaxMadeBy = 64;       // entries
inline constexpr size_t kMaxTextBytes = 1024;  // of one of them
inline constexpr size_t kMaxClasses = 65536;
inline constexpr int64_t kMaxSelfCheckImages = 16;

}  // namespace icepoint
