// Fused kernels for float32 on the CPU, registered as operators of the namespace `tristage`, so that the generic call
// serves them. Mathematics: lib/engine/ops (the composites are the definition).
#include <torch/library.h>

#include <cmath>

#include "norms.h"

namespace tristage {

// x may be any view of [B, H, T, D]; the result has its layout, so that a transpose back costs nothing.
Tensor rope(const Tensor& xIn, const Tensor& cosIn, const Tensor& sinIn, bool inverse) {
  TORCH_CHECK(xIn.dim() == 4 && xIn.size(3) % 2 == 0, "x must be [B, H, T, D] with D even, found ", xIn.sizes());
  TORCH_CHECK(xIn.scalar_type() == at::kFloat, "x must be float32");
  const Tensor x = xIn.stride(3) == 1 ? xIn : xIn.contiguous();
  const Tensor cos = floats(cosIn, "cos");
  const Tensor sin = floats(sinIn, "sin");
  const int64_t batch = x.size(0), heads = x.size(1), tokens = x.size(2), half = x.size(3) / 2;
  TORCH_CHECK(cos.sizes() == sin.sizes(), "cos and sin must have one shape");
  TORCH_CHECK(cos.dim() == 3 && (cos.size(0) == 1 || cos.size(0) == batch) && cos.size(1) == tokens &&
                  cos.size(2) == half,
              "cos must be [B or 1, ", tokens, ", ", half, "], found ", cos.sizes());
  // [B, T, H, D] in memory.
  Tensor y = at::empty({batch, tokens, heads, 2 * half}, x.options()).permute({0, 2, 1, 3});
  const float* from = x.data_ptr<float>();
  const float* cosine = cos.data_ptr<float>();
  const float* sine = sin.data_ptr<float>();
  float* to = y.data_ptr<float>();
  const int64_t angleStride = cos.size(0) == 1 ? 0 : tokens * half;
  const float sign = inverse ? -1.0f : 1.0f;
  at::parallel_for(0, batch * tokens, rowGrain(heads * 2 * half), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const int64_t b = row / tokens, t = row % tokens;
      const int64_t angle = b * angleStride + t * half;
      for (int64_t h = 0; h < heads; h++) {
        const float* source = from + b * x.stride(0) + h * x.stride(1) + t * x.stride(2);
        float* target = to + b * y.stride(0) + h * y.stride(1) + t * y.stride(2);
        loops().rope(target, source, cosine + angle, sine + angle, sign, half);
      }
    }
  });
  return y;
}

Tensor swiGlu(const Tensor& gateIn, const Tensor& upIn) {
  const Tensor gate = floats(gateIn, "gate");
  const Tensor up = floats(upIn, "up");
  TORCH_CHECK(gate.sizes() == up.sizes(), "gate ", gate.sizes(), " and up ", up.sizes(), " must have one shape");
  Tensor y = at::empty(gate.sizes(), gate.options());
  const float* g = gate.data_ptr<float>();
  const float* u = up.data_ptr<float>();
  float* to = y.data_ptr<float>();
  at::parallel_for(0, y.numel(), kGrain / 4, [&](int64_t begin, int64_t end) {
    loops().swiGlu(to + begin, g + begin, u + begin, end - begin);
  });
  return y;
}

std::tuple<Tensor, Tensor> swiGluGrad(const Tensor& dyIn, const Tensor& gateIn, const Tensor& upIn) {
  const Tensor dy = floats(dyIn, "dy");
  const Tensor gate = floats(gateIn, "gate");
  const Tensor up = floats(upIn, "up");
  TORCH_CHECK(gate.sizes() == up.sizes() && dy.sizes() == up.sizes(), "dy, gate and up must have one shape");
  Tensor dgate = at::empty(gate.sizes(), gate.options());
  Tensor dup = at::empty(gate.sizes(), gate.options());
  const float* gradient = dy.data_ptr<float>();
  const float* g = gate.data_ptr<float>();
  const float* u = up.data_ptr<float>();
  float* toGate = dgate.data_ptr<float>();
  float* toUp = dup.data_ptr<float>();
  at::parallel_for(0, dy.numel(), kGrain / 4, [&](int64_t begin, int64_t end) {
    loops().swiGluGrad(toGate + begin, toUp + begin, gradient + begin, g + begin, u + begin, end - begin);
  });
  return {dgate, dup};
}

Tensor checkedLabels(const Tensor& labels, int64_t rows, int64_t vocabulary) {
  TORCH_CHECK(labels.scalar_type() == at::kInt && labels.dim() == 1 && labels.size(0) == rows,
              "labels must be int32 [", rows, "], found ", labels.scalar_type(), " ", labels.sizes());
  Tensor plain = labels.contiguous();
  const int32_t* label = plain.data_ptr<int32_t>();
  for (int64_t row = 0; row < rows; row++) {
    TORCH_CHECK(label[row] < vocabulary, "label ", label[row], " of row ", row, " is not below the vocabulary of ",
                vocabulary);
  }
  return plain;
}

std::tuple<Tensor, Tensor> crossEntropy(const Tensor& logitsIn, const Tensor& labelsIn) {
  const Tensor logits = floats(logitsIn, "logits");
  TORCH_CHECK(logits.dim() == 2, "logits must be [N, V], found ", logits.sizes());
  const int64_t rows = logits.size(0), vocabulary = logits.size(1);
  const Tensor labels = checkedLabels(labelsIn, rows, vocabulary);
  Tensor nll = at::empty({rows}, logits.options());
  Tensor lse = at::empty({rows}, logits.options());
  const float* from = logits.data_ptr<float>();
  const int32_t* label = labels.data_ptr<int32_t>();
  float* loss = nll.data_ptr<float>();
  float* total = lse.data_ptr<float>();
  at::parallel_for(0, rows, rowGrain(4 * vocabulary), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      const float* x = from + row * vocabulary;
      total[row] = loops().logSumExp(x, vocabulary);
      loss[row] = label[row] < 0 ? 0.0f : total[row] - x[label[row]];
    }
  });
  return {nll, lse};
}

Tensor crossEntropyGrad(const Tensor& dyIn, const Tensor& logitsIn, const Tensor& labelsIn, const Tensor& lseIn) {
  const Tensor dy = floats(dyIn, "dy");
  const Tensor logits = floats(logitsIn, "logits");
  const Tensor lse = floats(lseIn, "lse");
  TORCH_CHECK(logits.dim() == 2, "logits must be [N, V], found ", logits.sizes());
  const int64_t rows = logits.size(0), vocabulary = logits.size(1);
  TORCH_CHECK(dy.numel() == rows && lse.numel() == rows, "dy and lse must be [", rows, "]");
  const Tensor labels = checkedLabels(labelsIn, rows, vocabulary);
  Tensor d = at::empty(logits.sizes(), logits.options());
  const float* gradient = dy.data_ptr<float>();
  const float* from = logits.data_ptr<float>();
  const float* total = lse.data_ptr<float>();
  const int32_t* label = labels.data_ptr<int32_t>();
  float* to = d.data_ptr<float>();
  at::parallel_for(0, rows, rowGrain(4 * vocabulary), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row++) {
      float* target = to + row * vocabulary;
      if (label[row] < 0) {
        std::fill(target, target + vocabulary, 0.0f);
        continue;
      }
      loops().softmaxGrad(target, from + row * vocabulary, total[row], gradient[row], vocabulary);
      target[label[row]] -= gradient[row];
    }
  });
  return d;
}

struct AdamWOptions {
  double lr, beta1, beta2, eps, weightDecay, gradScale;
  int64_t step;
};

AdamW factors(const AdamWOptions& o) {
  return {static_cast<float>(1.0 - o.lr * o.weightDecay),
          static_cast<float>(o.beta1),
          static_cast<float>(1.0 - o.beta1),
          static_cast<float>(o.beta2),
          static_cast<float>(1.0 - o.beta2),
          static_cast<float>(o.lr / (1.0 - std::pow(o.beta1, static_cast<double>(o.step)))),
          static_cast<float>(std::sqrt(1.0 - std::pow(o.beta2, static_cast<double>(o.step)))),
          static_cast<float>(o.eps),
          static_cast<float>(o.gradScale)};
}

void adamW(Tensor& param, const Tensor& gradIn, Tensor& m, Tensor& v, double lr, double beta1, double beta2,
           double eps, double weightDecay, int64_t step, double gradScale) {
  const Tensor grad = floats(gradIn, "grad");
  for (const Tensor* tensor : {&param, &m, &v}) {
    TORCH_CHECK(tensor->scalar_type() == at::kFloat && tensor->is_contiguous() && tensor->sizes() == grad.sizes(),
                "param, m and v must be contiguous float32 of the gradient's shape ", grad.sizes());
  }
  TORCH_CHECK(step >= 1, "step counts from 1");
  const AdamW how = factors({lr, beta1, beta2, eps, weightDecay, gradScale, step});
  float* p = param.data_ptr<float>();
  float* first = m.data_ptr<float>();
  float* second = v.data_ptr<float>();
  const float* g = grad.data_ptr<float>();
  at::parallel_for(0, grad.numel(), kGrain, [&](int64_t begin, int64_t end) {
    loops().adamW(p + begin, g + begin, first + begin, second + begin, how, end - begin);
  });
}

Tensor dropoutMask(const Tensor& rowKeysIn, const Tensor& columnKeysIn, int64_t threshold) {
  for (const Tensor* keys : {&rowKeysIn, &columnKeysIn}) {
    TORCH_CHECK(keys->scalar_type() == at::kInt && keys->dim() == 1, "keys must be int32 [rows] and int32 [columns]");
  }
  TORCH_CHECK(threshold >= INT32_MIN && threshold <= INT32_MAX, "threshold must be an int32: a rate in [0, 1)");
  const Tensor rowKeys = rowKeysIn.contiguous();
  const Tensor columnKeys = columnKeysIn.contiguous();
  const int64_t columns = columnKeys.size(0);
  Tensor mask = at::empty({rowKeys.size(0), columns}, rowKeys.options().dtype(at::kBool));
  const int32_t* row = rowKeys.data_ptr<int32_t>();
  const auto* column = reinterpret_cast<const uint32_t*>(columnKeys.data_ptr<int32_t>());
  bool* to = mask.data_ptr<bool>();
  at::parallel_for(0, rowKeys.size(0), rowGrain(columns), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++) {
      loops().dropoutMask(to + i * columns, static_cast<uint32_t>(row[i]), column, static_cast<int32_t>(threshold), columns);
    }
  });
  return mask;
}

Tensor masked(const Tensor& xIn, const Tensor& maskIn) {
  const Tensor x = floats(xIn, "x");
  TORCH_CHECK(maskIn.scalar_type() == at::kBool && maskIn.sizes() == x.sizes(), "mask must be bool ", x.sizes(), ", found ",
              maskIn.scalar_type(), " ", maskIn.sizes());
  const Tensor mask = maskIn.contiguous();
  Tensor y = at::empty(x.sizes(), x.options());
  const float* from = x.data_ptr<float>();
  const auto* kept = reinterpret_cast<const uint8_t*>(mask.data_ptr<bool>());
  float* to = y.data_ptr<float>();
  at::parallel_for(0, y.numel(), kGrain, [&](int64_t begin, int64_t end) {
    loops().masked(to + begin, from + begin, kept + begin, end - begin);
  });
  return y;
}

}  // namespace tristage

TORCH_LIBRARY(tristage, m) {
  m.def("rms_norm(Tensor x, Tensor weight, float eps) -> (Tensor, Tensor)");
  m.def("rms_norm_grad_x(Tensor dy, Tensor x, Tensor weight, Tensor rstd) -> Tensor");
  m.def("rms_norm_grad_weight(Tensor dy, Tensor x, Tensor rstd) -> Tensor");
  m.def("layer_norm_grad_affine(Tensor dy, Tensor x, Tensor mean, Tensor rstd) -> (Tensor, Tensor)");
  m.def("rope(Tensor x, Tensor cos, Tensor sin, bool inverse) -> Tensor");
  m.def("swiglu(Tensor gate, Tensor up) -> Tensor");
  m.def("swiglu_grad(Tensor dy, Tensor gate, Tensor up) -> (Tensor, Tensor)");
  m.def("cross_entropy(Tensor logits, Tensor labels) -> (Tensor, Tensor)");
  m.def("cross_entropy_grad(Tensor dy, Tensor logits, Tensor labels, Tensor lse) -> Tensor");
  m.def("attention(Tensor q, Tensor k, Tensor v, Tensor? bias, float scale, bool causal) -> (Tensor, Tensor)");
  m.def(
      "attention_grad(Tensor dy, Tensor q, Tensor k, Tensor v, Tensor o, Tensor lse, Tensor? bias, float scale, "
      "bool causal) -> (Tensor, Tensor, Tensor)");
  m.def(
      "adamw_(Tensor(a!) param, Tensor grad, Tensor(b!) m, Tensor(c!) v, float lr, float beta1, float beta2, "
      "float eps, float weight_decay, int step, float grad_scale) -> ()");
  m.def("masked(Tensor x, Tensor mask) -> Tensor");
  m.def("dropout_mask(Tensor row_keys, Tensor column_keys, int threshold) -> Tensor");
}

TORCH_LIBRARY_IMPL(tristage, CPU, m) {
  m.impl("rms_norm", &tristage::rmsNorm);
  m.impl("rms_norm_grad_x", &tristage::rmsNormGradX);
  m.impl("rms_norm_grad_weight", &tristage::rmsNormGradWeight);
  m.impl("layer_norm_grad_affine", &tristage::layerNormGradAffine);
  m.impl("rope", &tristage::rope);
  m.impl("swiglu", &tristage::swiGlu);
  m.impl("swiglu_grad", &tristage::swiGluGrad);
  m.impl("cross_entropy", &tristage::crossEntropy);
  m.impl("cross_entropy_grad", &tristage::crossEntropyGrad);
  m.impl("attention", &tristage::attention);
  m.impl("attention_grad", &tristage::attentionGrad);
  m.impl("adamw_", &tristage::adamW);
  m.impl("dropout_mask", &tristage::dropoutMask);
  m.impl("masked", &tristage::masked);
}
