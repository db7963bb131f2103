// What wide/ and every vec.h stand on. Included before a target region begins, never inside one: plain
// inline functions must be compiled once, for a plain CPU.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#if defined(__x86_64__)
// GCC 12 takes the header's deliberately undefined registers for a mistake where they are inlined.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#if !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#pragma GCC diagnostic pop
#endif

#include "kernels/kernels.h"
#include "kernels/scratch.h"
#include "kernels/target.h"
#include "kernels/wide/merged_groups.h"
#include "kernels/wide/strassen_plan.h"
#include "kernels/wide/winograd_plan.h"
