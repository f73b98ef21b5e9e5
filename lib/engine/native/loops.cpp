#include "loops.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define TRISTAGE_VARIANTS 1
#endif

namespace tristage {

namespace baseline {
#define NAME "baseline"
#include "loops.inc"
#undef NAME
}  // namespace baseline

#ifdef TRISTAGE_VARIANTS
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define NAME "avx2"
#include "loops.inc"
#undef NAME
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512dq,avx512vl,avx512bw,prefer-vector-width=512")
namespace avx512 {
#define NAME "avx512"
#include "loops.inc"
#undef NAME
}  // namespace avx512
#pragma GCC pop_options
#endif

static const Loops& choose() {
#ifdef TRISTAGE_VARIANTS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512bw")) {
    return avx512::table;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::table;
#endif
  return baseline::table;
}

const Loops& loops() {
  static const Loops& chosen = choose();
  return chosen;
}

}  // namespace tristage
