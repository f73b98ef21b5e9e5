// The arithmetic of the fused kernels on raw float32 memory. The loops are compiled once for each instruction set and
// chosen when the addon is loaded, so that one build runs on any x86-64 processor and uses the vectors it has.
#pragma once

#include <cstdint>

namespace tristage {

// Scores of one attention row: where the additive mask lies (or nullptr) and how many keys the row may see.
struct AttentionRow {
  float* scores;
  const float* bias;
  int64_t visible;
  int64_t keys;
  float scale;
};

// Factors of one AdamW update, each computed in double precision first: 1 - 0.999f is off by 1e-5.
struct AdamW {
  float decay;            // 1 - lr weightDecay
  float beta1;
  float keep1;            // 1 - beta1
  float beta2;
  float keep2;            // 1 - beta2
  float rate;             // lr / (1 - beta1^step)
  float rootCorrection2;  // sqrt(1 - beta2^step)
  float eps;
  float gradScale;
};

// Gradients of a layer-norm's weight and bias.
struct AffineGrad {
  float* weight;
  float* bias;
};

struct Loops {
  const char* name;
  // y = x rstd weight; returns rstd = 1 / sqrt(mean(x^2) + eps)
  float (*rmsNorm)(float* y, const float* x, const float* weight, int64_t width, float eps);
  void (*rmsNormGradX)(float* dx, const float* dy, const float* x, const float* weight, float rstd, int64_t width);
  // dw += dy x rstd
  void (*rmsNormGradWeight)(float* dw, const float* dy, const float* x, float rstd, int64_t width);
  // dw += dy (x - mean) rstd, db += dy
  void (*layerNormGradAffine)(const AffineGrad& to, const float* dy, const float* x, float mean, float rstd,
                              int64_t width);
  // y = rotation of x by (cos, sin) of half the width; sign -1 turns back
  void (*rope)(float* y, const float* x, const float* cos, const float* sin, float sign, int64_t half);
  void (*swiGlu)(float* y, const float* gate, const float* up, int64_t size);
  void (*swiGluGrad)(float* dgate, float* dup, const float* dy, const float* gate, const float* up, int64_t size);
  // Softmax of scores in place; returns the logsumexp, `masked` where nothing is visible
  float (*softmax)(const AttentionRow& row, float masked);
  // Probabilities from scores and logsumexp, in place
  void (*probabilities)(const AttentionRow& row, float lse);
  // dp becomes p (dp - delta) scale
  void (*scoreGrad)(float* dp, const float* p, float delta, float scale, int64_t keys);
  float (*dot)(const float* a, const float* b, int64_t size);
  float (*logSumExp)(const float* x, int64_t size);
  // d = exp(x - lse) factor
  void (*softmaxGrad)(float* d, const float* x, float lse, float factor, int64_t size);
  void (*adamW)(float* param, const float* grad, float* m, float* v, const AdamW& how, int64_t size);
  // mask = key * columnKey >= threshold, keys made odd, products modulo 2^32 read as int32
  void (*dropoutMask)(bool* mask, uint32_t key, const uint32_t* columnKeys, int32_t threshold, int64_t columns);
  // y = x where the mask is 1, 0 where it is 0
  void (*masked)(float* y, const float* x, const uint8_t* mask, int64_t size);
};

// The loops for this processor.
const Loops& loops();

}  // namespace tristage
