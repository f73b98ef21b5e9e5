// Products of few rows with a large weight, as in generation with a cache: one token of each answer. A general matrix product spends
// most of its time on packing the weight, which is then used for a handful of rows only; here the weight streams from memory once.
#pragma once

#include <cstdint>

namespace tristage {

// y[M, N] = x[M, K] w[N, K]^T for the rows [from, to) of w. Rows of x and w are contiguous; those of y are N apart.
struct FewRows {
  const float* x;
  const void* w;  // float, or the upper halves of floats
  float* y;
  int64_t rows;     // M
  int64_t inner;    // K
  int64_t columns;  // N
};

struct FewRowsLoops {
  void (*wide)(const FewRows& of, int64_t from, int64_t to);
  void (*narrow)(const FewRows& of, int64_t from, int64_t to);
};

// The loops for this processor.
const FewRowsLoops& fewRowsLoops();

}  // namespace tristage
