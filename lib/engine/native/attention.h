// Attention without the matrix of all scores: block after block of queries, each task one head (FlashAttention's saving of
// memory, arXiv 2205.14135; products by the BLAS, so no block over keys is needed).
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <tuple>
#include <utility>

namespace tristage {

using MaybeTensor = decltype(std::declval<const c10::IValue&>().toOptional<at::Tensor>());

// q [B, H, T, D], k and v [B, K, S, D] of any strides, bias [B or 1, 1, T, S]; returns o [B, H, T, D] and lse [B, H, T].
std::tuple<at::Tensor, at::Tensor> attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                             const MaybeTensor& bias, double scale, bool causal);

// Returns dq, dk, dv.
std::tuple<at::Tensor, at::Tensor, at::Tensor> attentionGrad(const at::Tensor& dy, const at::Tensor& q,
                                                             const at::Tensor& k, const at::Tensor& v,
                                                             const at::Tensor& o, const at::Tensor& lse,
                                                             const MaybeTensor& bias, double scale, bool causal);

}  // namespace tristage
