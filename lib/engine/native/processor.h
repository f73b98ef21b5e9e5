// Which vector instructions the processor has, for loops that are compiled once for each.
#pragma once

// Where loops can be compiled for several processors in one file.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TRISTAGE_VARIANTS 1
#endif

namespace tristage {

#ifdef TRISTAGE_VARIANTS
inline bool hasAvx512() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw");
}

inline bool hasAvx2() {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#endif

}  // namespace tristage
