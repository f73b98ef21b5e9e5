#include "few-rows.h"

#include <ATen/Parallel.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <torch/library.h>

#include "processor.h"

namespace tristage {

// Lanes of a vector, and a tile whose sums, weights and one row of x fit into the registers: 16, and 32 with AVX-512.
namespace baseline {
#define LANES 4
#define ROWS_OF_TILE 4
#define COLUMNS_OF_TILE 3
#include "few-rows.inc"
#undef LANES
#undef ROWS_OF_TILE
#undef COLUMNS_OF_TILE
}  // namespace baseline

#ifdef TRISTAGE_VARIANTS
#pragma GCC push_options
#pragma GCC target("avx2,fma")
namespace avx2 {
#define LANES 8
#define ROWS_OF_TILE 4
#define COLUMNS_OF_TILE 3
#include "few-rows.inc"
#undef LANES
#undef ROWS_OF_TILE
#undef COLUMNS_OF_TILE
}  // namespace avx2
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,avx512f,avx512dq,avx512vl,avx512bw,prefer-vector-width=512")
namespace avx512 {
#define LANES 16
#define ROWS_OF_TILE 4
#define COLUMNS_OF_TILE 6
#include "few-rows.inc"
#undef LANES
#undef ROWS_OF_TILE
#undef COLUMNS_OF_TILE
}  // namespace avx512
#pragma GCC pop_options
#endif

static const FewRowsLoops& choose() {
#ifdef TRISTAGE_VARIANTS
  if (hasAvx512()) return avx512::table;
  if (hasAvx2()) return avx2::table;
#endif
  return baseline::table;
}

const FewRowsLoops& fewRowsLoops() {
  static const FewRowsLoops& chosen = choose();
  return chosen;
}

namespace {

// Multiplications that are worth a second thread.
constexpr int64_t kGrain = 1 << 16;

// x f32[M, K], weight f32 or bf16 [N, K] -> f32[M, N]
at::Tensor fewRowsProduct(const at::Tensor& xIn, const at::Tensor& weightIn) {
  const bool narrow = weightIn.scalar_type() == at::kBFloat16;
  TORCH_CHECK(xIn.dim() == 2 && weightIn.dim() == 2 && xIn.size(1) == weightIn.size(1), "x ", xIn.sizes(),
              " and weight ", weightIn.sizes(), " must have rows of one length");
  TORCH_CHECK(xIn.scalar_type() == at::kFloat && (narrow || weightIn.scalar_type() == at::kFloat),
              "x must be float32, weight float32 or bfloat16");
  const at::Tensor x = xIn.contiguous();
  const at::Tensor weight = weightIn.contiguous();
  at::Tensor y = at::empty({x.size(0), weight.size(0)}, x.options());
  const FewRows of = {x.data_ptr<float>(), weight.data_ptr(), y.data_ptr<float>(), x.size(0), x.size(1), weight.size(0)};
  const auto multiply = narrow ? fewRowsLoops().narrow : fewRowsLoops().wide;
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, of.rows * of.inner));
  at::parallel_for(0, of.columns, grain, [&](int64_t from, int64_t to) { multiply(of, from, to); });
  return y;
}

}  // namespace
}  // namespace tristage

TORCH_LIBRARY_FRAGMENT(tristage, m) {
  m.def("few_rows_product(Tensor x, Tensor weight) -> Tensor");
}

TORCH_LIBRARY_IMPL(tristage, CPU, m) {
  m.impl("few_rows_product", &tristage::fewRowsProduct);
}
