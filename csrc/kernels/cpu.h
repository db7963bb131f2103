// What this CPU can run, the operating system's part in it included.
#pragma once

namespace icepoint {

/// The tables' needs, each with all that it stands on.
struct Cpu {
  bool avx2 = false;
  bool avx512vnni = false;  // with F, BW, DQ and VL, and all of zmm saved by the operating system
  bool avx512vbmi = false;  // beside avx512vnni: bytes permuted across a whole register
  bool amx = false;  // AMX-TILE and AMX-INT8 beside avx512vnni; Linux still has to be asked for the tiles
};

/// Asked once.
const Cpu& cpu();

}  // namespace icepoint
