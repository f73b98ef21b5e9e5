#include "loops.h"

#include "processor.h"

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
  if (hasAvx512()) return avx512::table;
  if (hasAvx2()) return avx2::table;
#endif
  return baseline::table;
}

const Loops& loops() {
  static const Loops& chosen = choose();
  return chosen;
}

}  // namespace tristage
