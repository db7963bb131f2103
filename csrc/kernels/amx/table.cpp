// The table named "amx".
#include "kernels/amx/table.h"

#include "kernels/avx512vnni/table.h"

#if defined(__x86_64__)
namespace icepoint {

const Kernels& amx_table() {
  static const Kernels table = [] {
    Kernels own = avx512vnni_table();
    own.name = "amx";
    own.conv2d_packed_size = amx::conv2d_packed_size;
    own.conv2d_pack = amx::conv2d_pack;
    own.conv2d = amx::conv2d;
    return own;
  }();
  return table;
}

}  // namespace icepoint
#endif
