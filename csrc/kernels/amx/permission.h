// Tiles are 8 KiB of registers: Linux hands them out on request, to the whole process.
#pragma once

namespace icepoint::amx {

/// Whether this process may use tiles. Asks at the first call; without leave the first tile instruction
/// would end the process, and an old kernel or a sandbox may refuse.
bool tiles_allowed();

}  // namespace icepoint::amx
