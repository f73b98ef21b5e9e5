// Gradients of the norms, root-mean-square normalisation itself, and what all fused kernels share.
#pragma once

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "attention.h"
#include "loops.h"

namespace tristage {

using at::Tensor;

// Rows per task, so that a task moves at least this many floats.
constexpr int64_t kGrain = 16384;

inline int64_t rowGrain(int64_t width) { return std::max<int64_t>(1, kGrain / std::max<int64_t>(1, width)); }

inline Tensor floats(const Tensor& x, const char* name) {
  TORCH_CHECK(x.scalar_type() == at::kFloat, name, " must be float32, found ", x.scalar_type());
  return x.contiguous();
}

inline int64_t lastWidth(const Tensor& x, const char* name) {
  TORCH_CHECK(x.dim() > 0 && x.size(-1) > 0, name, " must have a last dimension that is not empty");
  return x.size(-1);
}

inline std::vector<int64_t> statisticShape(const Tensor& x) {
  std::vector<int64_t> shape = x.sizes().vec();
  shape.back() = 1;
  return shape;
}

inline std::tuple<Tensor, Tensor> rmsNorm(const Tensor& xIn, const Tensor& weightIn, double eps) {
  const Tensor x = floats(xIn, "x");
  const Tensor weight = floats(weightIn, "weight");
  const int64_t width = lastWidth(x, "x");
  TORCH_CHECK(weight.dim() == 1 && weight.size(0) == width, "weight must be [", width, "], found ", weight.sizes());
  Tensor y = at::empty(x.sizes(), x.options());
  Tensor rstd = at::empty(statisticShape(x), x.options());
  const float* from = x.data_ptr<float>();
  const float* scale = weight.data_ptr<float>();
  float* to = y.data_ptr<float>();
  float* statistic = rstd.data_ptr<float>();
  at::parallel_for(0, rstd.numel(), rowGrain(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      statistic[row] = loops().rmsNorm(to + row * width, from + row * width, scale, width, static_cast<float>(eps));
    }
  });
  return {y, rstd};
}

// What every gradient of a norm reads: rows of one width, and one statistic for each.
struct NormGrad {
  Tensor dy;
  Tensor x;
  Tensor rstd;
  int64_t width;

  NormGrad(const Tensor& dyIn, const Tensor& xIn, const Tensor& rstdIn)
      : dy(floats(dyIn, "dy")), x(floats(xIn, "x")), rstd(floats(rstdIn, "rstd")), width(lastWidth(x, "x")) {
    TORCH_CHECK(dy.sizes() == x.sizes(), "dy ", dy.sizes(), " and x ", x.sizes(), " must have one shape");
    TORCH_CHECK(rstd.numel() * width == x.numel(), "rstd must hold one number for each row of x, found ", rstd.sizes());
  }

  int64_t rows() const { return rstd.numel(); }
  const float* gradient() const { return dy.data_ptr<float>(); }
  const float* from() const { return x.data_ptr<float>(); }
  const float* statistic() const { return rstd.data_ptr<float>(); }
};

inline Tensor rmsNormGradX(const Tensor& dyIn, const Tensor& xIn, const Tensor& weightIn, const Tensor& rstdIn) {
  const NormGrad of(dyIn, xIn, rstdIn);
  const Tensor weight = floats(weightIn, "weight");
  const int64_t width = of.width;
  TORCH_CHECK(weight.numel() == width, "weight must be [", width, "], found ", weight.sizes());
  Tensor dx = at::empty(of.x.sizes(), of.x.options());
  const float* gradient = of.gradient();
  const float* from = of.from();
  const float* scale = weight.data_ptr<float>();
  const float* statistic = of.statistic();
  float* to = dx.data_ptr<float>();
  at::parallel_for(0, of.rows(), rowGrain(width), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t at = row * width;
      loops().rmsNormGradX(to + at, gradient + at, from + at, scale, statistic[row], width);
    }
  });
  return dx;
}

// Calls body(row, its place in the data, first column, columns) for parts of all rows. Tasks divide the columns, not the rows: each sum
// has one order, whatever the number of threads.
template <typename Body>
void forColumns(const NormGrad& of, const Body& body) {
  const int64_t rows = of.rows();
  const int64_t width = of.width;
  at::parallel_for(0, width, 64, [&](int64_t begin, int64_t end) {
    for (int64_t row = 0; row < rows; row++) body(row, row * width + begin, begin, end - begin);
  });
}

inline Tensor rmsNormGradWeight(const Tensor& dyIn, const Tensor& xIn, const Tensor& rstdIn) {
  const NormGrad of(dyIn, xIn, rstdIn);
  Tensor dw = at::zeros({of.width}, of.x.options());
  const float* gradient = of.gradient();
  const float* from = of.from();
  const float* statistic = of.statistic();
  float* to = dw.data_ptr<float>();
  forColumns(of, [&](int64_t row, int64_t at, int64_t column, int64_t columns) {
    loops().rmsNormGradWeight(to + column, gradient + at, from + at, statistic[row], columns);
  });
  return dw;
}

// Both gradients in one pass over dy.
inline std::tuple<Tensor, Tensor> layerNormGradAffine(const Tensor& dyIn, const Tensor& xIn, const Tensor& meanIn,
                                                      const Tensor& rstdIn) {
  const NormGrad of(dyIn, xIn, rstdIn);
  const Tensor mean = floats(meanIn, "mean");
  TORCH_CHECK(mean.numel() == of.rows(), "mean and rstd must have one shape");
  Tensor dw = at::zeros({of.width}, of.x.options());
  Tensor db = at::zeros({of.width}, of.x.options());
  const float* gradient = of.gradient();
  const float* from = of.from();
  const float* centre = mean.data_ptr<float>();
  const float* statistic = of.statistic();
  const AffineGrad to = {dw.data_ptr<float>(), db.data_ptr<float>()};
  forColumns(of, [&](int64_t row, int64_t at, int64_t column, int64_t columns) {
    const AffineGrad part = {to.weight + column, to.bias + column};
    loops().layerNormGradAffine(part, gradient + at, from + at, centre[row], statistic[row], columns);
  });
  return {dw, db};
}

}  // namespace tristage
