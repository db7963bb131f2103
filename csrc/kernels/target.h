// Regions of code compiled for more than the build's own CPU: begin and end of one.
//
// Only what the region defines may use its instructions, and only under a name that no other region
// gives to its own version: a function compiled twice under one name would be kept once by the linker,
// and a plain CPU could meet the wide one. So system headers and headers of plain inline functions are
// included before the region; inside are templates over a region's own type, or its own namespace.
#pragma once

#define ICEPOINT_PRAGMA(text) _Pragma(#text)

#if defined(__clang__)
#define ICEPOINT_TARGET_BEGIN(features) \
  ICEPOINT_PRAGMA(clang attribute push(__attribute__((target(features))), apply_to = function))
#define ICEPOINT_TARGET_END ICEPOINT_PRAGMA(clang attribute pop)
#else
#define ICEPOINT_TARGET_BEGIN(features) \
  ICEPOINT_PRAGMA(GCC push_options) ICEPOINT_PRAGMA(GCC target(features))
#define ICEPOINT_TARGET_END ICEPOINT_PRAGMA(GCC pop_options)
#endif

/// The features of each table; cpu.h asks the CPU for the same ones.
#define ICEPOINT_TARGET_AVX2 ICEPOINT_TARGET_BEGIN("avx2")
#define ICEPOINT_TARGET_AVX512VNNI ICEPOINT_TARGET_BEGIN("avx2,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")

/// A primitive must end in its caller's registers: a call would send them through memory. For a lambda the
/// word stands behind its parameters.
#define ICEPOINT_ALWAYS_INLINE __attribute__((always_inline))
#define ICEPOINT_INLINE inline ICEPOINT_ALWAYS_INLINE
