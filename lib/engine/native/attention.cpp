#include "attention.h"

#include <ATen/Parallel.h>
#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/zeros.h>
#include <c10/core/InferenceMode.h>

#include <algorithm>
#include <vector>

#include "loops.h"

namespace tristage {

namespace {

using at::Tensor;

// The logsumexp of a row that sees no key, and the additive mask of a key that is not seen (ops/attention.ts).
constexpr float kMasked = -1e30f;
// Floats of one block of scores: it should stay in the second-level cache.
constexpr int64_t kBlockFloats = 1 << 17;
// Queries of a causal block: small blocks skip more of the keys that none of their queries may see.
constexpr int64_t kCausalBlock = 64;

struct Problem {
  Tensor q, k, v, bias;
  int64_t batch, heads, kvHeads, groups, queries, keys, width;
  float scale;
  bool causal;
  int64_t block;  // queries in a block
};

// Last stride 1, as the BLAS wants it.
Tensor rowsReadable(const Tensor& x, const char* name) {
  TORCH_CHECK(x.dim() == 4 && x.scalar_type() == at::kFloat, name, " must be float32 of four dimensions, found ",
              x.scalar_type(), " ", x.sizes());
  return x.stride(3) == 1 || x.size(3) == 1 ? x : x.contiguous();
}

Problem describe(const Tensor& q, const Tensor& k, const Tensor& v, const MaybeTensor& bias, double scale,
                 bool causal) {
  Problem p;
  p.q = rowsReadable(q, "q");
  p.k = rowsReadable(k, "k");
  p.v = rowsReadable(v, "v");
  p.batch = q.size(0), p.heads = q.size(1), p.queries = q.size(2), p.width = q.size(3);
  p.kvHeads = k.size(1), p.keys = k.size(2);
  TORCH_CHECK(k.sizes() == v.sizes(), "k ", k.sizes(), " and v ", v.sizes(), " must have one shape");
  TORCH_CHECK(k.size(0) == p.batch && k.size(3) == p.width, "q ", q.sizes(), " and k ", k.sizes(),
              " must agree in batch and width");
  TORCH_CHECK(p.kvHeads > 0 && p.heads % p.kvHeads == 0, "the heads of q (", p.heads,
              ") must be a multiple of those of k (", p.kvHeads, ")");
  if (bias.has_value()) {
    TORCH_CHECK(bias->scalar_type() == at::kFloat && bias->dim() == 4 &&
                    (bias->size(0) == 1 || bias->size(0) == p.batch) && bias->size(1) == 1 &&
                    bias->size(2) == p.queries && bias->size(3) == p.keys,
                "bias must be float32 [B or 1, 1, ", p.queries, ", ", p.keys, "], found ", bias->sizes());
    p.bias = bias->contiguous();
  }
  p.groups = p.heads / p.kvHeads;
  p.scale = static_cast<float>(scale);
  p.causal = causal;
  p.block = std::max<int64_t>(32, kBlockFloats / std::max<int64_t>(1, p.keys));
  if (causal) p.block = std::min(p.block, kCausalBlock);
  p.block = std::min(p.block, p.queries);
  return p;
}

// [B, T, H, D] in memory, seen as [B, H, T, D]: joining the heads afterwards costs nothing.
Tensor headsOf(const Tensor& like, bool zero) {
  const std::vector<int64_t> shape = {like.size(0), like.size(2), like.size(1), like.size(3)};
  Tensor memory = zero ? at::zeros(shape, like.options()) : at::empty(shape, like.options());
  return memory.permute({0, 2, 1, 3});
}

// Rows [from, from + count) of one head as a matrix.
Tensor headRows(const Tensor& x, int64_t b, int64_t h, int64_t from, int64_t count) {
  float* start = x.data_ptr<float>() + b * x.stride(0) + h * x.stride(1) + from * x.stride(2);
  return at::from_blob(start, {count, x.size(3)}, {x.stride(2), 1}, x.options());
}

Tensor matrix(float* memory, int64_t rows, int64_t columns, const Tensor& like) {
  return at::from_blob(memory, {rows, columns}, like.options());
}

// How many keys query t may see.
int64_t visibleKeys(const Problem& p, int64_t t) {
  return p.causal ? std::clamp<int64_t>(t + p.keys - p.queries + 1, 0, p.keys) : p.keys;
}

AttentionRow rowOf(const Problem& p, float* scores, int64_t b, int64_t t, int64_t keys) {
  const float* bias = nullptr;
  if (p.bias.defined()) {
    bias = p.bias.data_ptr<float>() + ((p.bias.size(0) == 1 ? 0 : b) * p.queries + t) * p.keys;
  }
  return {scores, bias, visibleKeys(p, t), keys, p.scale};
}

// Memory of one thread, kept from call to call.
float* scratch(size_t floats) {
  static thread_local std::vector<float> memory;
  if (memory.size() < floats) memory.resize(floats);
  return memory.data();
}

void zeroRows(const Tensor& x) {
  float* start = x.data_ptr<float>();
  for (int64_t row = 0; row < x.size(0); row++) std::fill_n(start + row * x.stride(0), x.size(1), 0.0f);
}

// One head's queries [from, from + count).
void forwardBlock(const Problem& p, const Tensor& o, float* lse, int64_t b, int64_t h, int64_t from, int64_t count) {
  Tensor out = headRows(o, b, h, from, count);
  const int64_t keys = visibleKeys(p, from + count - 1);
  if (keys == 0) {
    zeroRows(out);
    std::fill_n(lse, count, kMasked);
    return;
  }
  float* memory = scratch(static_cast<size_t>(count * keys));
  Tensor scores = matrix(memory, count, keys, p.q);
  const int64_t g = h / p.groups;
  at::mm_out(scores, headRows(p.q, b, h, from, count), headRows(p.k, b, g, 0, keys).t());
  for (int64_t i = 0; i < count; i++) {
    lse[i] = loops().softmax(rowOf(p, memory + i * keys, b, from + i, keys), kMasked);
  }
  at::mm_out(out, scores, headRows(p.v, b, g, 0, keys));
}

struct Gradients {
  Tensor dy, o, lse, dq, dk, dv;
};

void backwardBlock(const Problem& p, const Gradients& grads, int64_t b, int64_t h, int64_t from, int64_t count) {
  Tensor dq = headRows(grads.dq, b, h, from, count);
  const int64_t keys = visibleKeys(p, from + count - 1);
  if (keys == 0) return zeroRows(dq);
  float* memory = scratch(static_cast<size_t>(2 * count * keys));
  float* memoryOfGradient = memory + count * keys;
  Tensor probabilities = matrix(memory, count, keys, p.q);
  Tensor ds = matrix(memoryOfGradient, count, keys, p.q);
  const int64_t g = h / p.groups;
  const Tensor q = headRows(p.q, b, h, from, count);
  const Tensor k = headRows(p.k, b, g, 0, keys);
  const Tensor dy = headRows(grads.dy, b, h, from, count);
  const Tensor o = headRows(grads.o, b, h, from, count);
  const float* lse = grads.lse.data_ptr<float>() + (b * p.heads + h) * p.queries + from;
  at::mm_out(probabilities, q, k.t());
  at::mm_out(ds, dy, headRows(p.v, b, g, 0, keys).t());
  for (int64_t i = 0; i < count; i++) {
    AttentionRow row = rowOf(p, memory + i * keys, b, from + i, keys);
    // A row that sees nothing has no gradient.
    if (lse[i] <= 0.1f * kMasked) row.visible = 0;
    loops().probabilities(row, lse[i]);
    const float delta = loops().dot(dy.data_ptr<float>() + i * dy.stride(0), o.data_ptr<float>() + i * o.stride(0), p.width);
    loops().scoreGrad(memoryOfGradient + i * keys, memory + i * keys, delta, p.scale, keys);
  }
  at::mm_out(dq, ds, k);
  Tensor dk = headRows(grads.dk, b, g, 0, keys);
  Tensor dv = headRows(grads.dv, b, g, 0, keys);
  at::addmm_out(dk, dk, ds.t(), q);
  at::addmm_out(dv, dv, probabilities.t(), dy);
}

}  // namespace

std::tuple<Tensor, Tensor> attention(const Tensor& q, const Tensor& k, const Tensor& v, const MaybeTensor& bias,
                                     double scale, bool causal) {
  const Problem p = describe(q, k, v, bias, scale, causal);
  Tensor o = headsOf(p.q, false);
  Tensor lse = at::empty({p.batch, p.heads, p.queries}, p.q.options());
  if (p.queries == 0 || p.width == 0) return {o, lse};
  float* rows = lse.data_ptr<float>();
  at::parallel_for(0, p.batch * p.heads, 1, [&](int64_t begin, int64_t end) {
    const c10::InferenceMode inference(true);
    for (int64_t task = begin; task < end; task++) {
      for (int64_t from = 0; from < p.queries; from += p.block) {
        const int64_t count = std::min(p.block, p.queries - from);
        forwardBlock(p, o, rows + task * p.queries + from, task / p.heads, task % p.heads, from, count);
      }
    }
  });
  return {o, lse};
}

std::tuple<Tensor, Tensor, Tensor> attentionGrad(const Tensor& dy, const Tensor& q, const Tensor& k, const Tensor& v,
                                                 const Tensor& o, const Tensor& lse, const MaybeTensor& bias,
                                                 double scale, bool causal) {
  const Problem p = describe(q, k, v, bias, scale, causal);
  TORCH_CHECK(dy.sizes() == q.sizes() && o.sizes() == q.sizes(), "dy and o must have the shape of q ", q.sizes());
  TORCH_CHECK(lse.scalar_type() == at::kFloat && lse.numel() == p.batch * p.heads * p.queries, "lse must be [B, H, T]");
  Gradients grads{rowsReadable(dy, "dy"), rowsReadable(o, "o"), lse.contiguous(),
                  headsOf(p.q, false),    headsOf(p.k, true),   headsOf(p.v, true)};
  if (p.queries > 0 && p.width > 0) {
    // A task owns a key-value head, since the query heads of its group add to the same dk and dv.
    at::parallel_for(0, p.batch * p.kvHeads, 1, [&](int64_t begin, int64_t end) {
      const c10::InferenceMode inference(true);
      for (int64_t task = begin; task < end; task++) {
        const int64_t b = task / p.kvHeads;
        for (int64_t h = (task % p.kvHeads) * p.groups; h < (task % p.kvHeads + 1) * p.groups; h++) {
          for (int64_t from = 0; from < p.queries; from += p.block) {
            backwardBlock(p, grads, b, h, from, std::min(p.block, p.queries - from));
          }
        }
      }
    });
  }
  return {grads.dq, grads.dk, grads.dv};
}

}  // namespace tristage
