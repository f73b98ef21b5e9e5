// Memory of tensors on the CPU. glibc's heap keeps up to a fifth more than a training step has alive at once: blocks of
// some megabytes with different lifetimes lie in one arena, and what is freed between others cannot be given back. Here
// each large block is a mapping of its own that is kept after its release and given out again, and no more is ever held,
// in use and kept together, than was in use at once before.
#pragma once

#include <cstddef>

namespace tristage {

struct PoolStats {
  size_t used;  // bytes of blocks that are given out
  size_t kept;  // bytes of blocks that wait to be given out again
  size_t peak;  // most bytes that were given out at once since the last reset
};

// Makes libtorch take the memory of every CPU tensor from here. To be called before the first tensor.
void installPool();
PoolStats poolStats();
void resetPoolPeak();
// Most bytes that may be given out at once; 0: no limit but the machine's.
void setPoolLimit(size_t bytes);

}  // namespace tristage
