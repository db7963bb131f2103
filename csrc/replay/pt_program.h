// What a .pt file's pickle may contain before LibTorch is allowed to interpret it.
#pragma once

#include <string_view>

namespace icepoint {

/// A pickle is a program for a stack machine, and LibTorch's machine trusts it: it takes memo numbers
/// as array sizes and pops without looking. This accepts only the few instructions and names with
/// which torch.save writes one tensor, and only where the stack holds what they pop. Throws
/// std::invalid_argument saying what the file holds instead.
void check_pt_program(std::string_view pickle);

}  // namespace icepoint
