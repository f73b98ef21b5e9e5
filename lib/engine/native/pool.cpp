#include "pool.h"

#include <c10/core/CPUAllocator.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>

namespace tristage {

namespace {

constexpr size_t kPage = 4096;
// Smaller blocks are left to the C library, whose heap they hardly fragment.
constexpr size_t kSmallest = 64 * 1024;

size_t pagesOf(size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }

class Pool {
 public:
  // Null where the machine, or the limit, has no room.
  void* take(size_t bytes) {
    const size_t size = pagesOf(bytes);
    const std::lock_guard<std::mutex> lock(mutex_);
    if (limit_ > 0 && used_ + size > limit_) return nullptr;
    highest_ = std::max(highest_, used_ + size);
    auto fit = kept_.lower_bound(size);
    // Up to an eighth more than is needed is taken as it is.
    const bool close = fit != kept_.end() && fit->first <= size + size / 8;
    if (close) return give(keptBlock(fit));
    if (used_ + keptBytes_ + size > highest_) return resized(fit, size);
    return fresh(size);
  }

  // False for a block that is not from here.
  bool release(void* start) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto entry = given_.find(start);
    if (entry == given_.end()) return false;
    const size_t size = entry->second;
    given_.erase(entry);
    used_ -= size;
    kept_.emplace(size, start);
    keptBytes_ += size;
    return true;
  }

  PoolStats stats() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return {used_, keptBytes_, peak_};
  }

  void resetPeak() {
    const std::lock_guard<std::mutex> lock(mutex_);
    peak_ = used_;
  }

  void limit(size_t bytes) {
    const std::lock_guard<std::mutex> lock(mutex_);
    limit_ = bytes;
  }

 private:
  struct Block {
    void* start;
    size_t size;
  };
  using Kept = std::multimap<size_t, void*>;

  Block keptBlock(Kept::iterator entry) {
    const Block block{entry->second, entry->first};
    kept_.erase(entry);
    keptBytes_ -= block.size;
    return block;
  }

  void* give(Block block) {
    given_.emplace(block.start, block.size);
    used_ += block.size;
    peak_ = std::max(peak_, used_);
    return block.start;
  }

  // There is no room beside what is kept: one of those blocks gets the size, and others go. The pages that stay need not be
  // cleared again by the system.
  void* resized(Kept::iterator fit, size_t size) {
    if (fit == kept_.end() && !kept_.empty()) --fit;
    if (fit == kept_.end()) return fresh(size);
    Block block = keptBlock(fit);
    while (used_ + keptBytes_ + size > highest_ && !kept_.empty()) unmap(keptBlock(kept_.begin()));
    void* start = mremap(block.start, block.size, size, MREMAP_MAYMOVE);
    if (start != MAP_FAILED) return give({start, size});
    unmap(block);
    return fresh(size);
  }

  void* fresh(size_t size) {
    const auto map = [&] { return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); };
    void* start = map();
    if (start == MAP_FAILED && !kept_.empty()) {
      while (!kept_.empty()) unmap(keptBlock(kept_.begin()));
      start = map();
    }
    return start == MAP_FAILED ? nullptr : give({start, size});
  }

  static void unmap(Block block) { munmap(block.start, block.size); }

  std::mutex mutex_;
  std::unordered_map<void*, size_t> given_;
  Kept kept_;
  size_t used_ = 0;
  size_t keptBytes_ = 0;
  size_t peak_ = 0;
  // Most bytes that were ever given out at once.
  size_t highest_ = 0;
  size_t limit_ = 0;
};

// Never destroyed: tensors may be freed while the process ends.
Pool& pool() {
  static Pool* instance = new Pool();
  return *instance;
}

// One deleter for blocks of both kinds, as libtorch asks of an allocator.
void releaseBlock(void* start) {
  const bool isPage = reinterpret_cast<uintptr_t>(start) % kPage == 0;
  if (isPage && pool().release(start)) return;
  c10::GetDefaultCPUAllocator()->raw_deallocate(start);
}

// libtorch 2 made `allocate` not const and added `copy_data`; what the version at hand does not know is a plain method.
struct PoolAllocator final : c10::Allocator {
  c10::DataPtr allocate(size_t bytes) const { return block(bytes); }
  c10::DataPtr allocate(size_t bytes) { return block(bytes); }
  void copy_data(void* target, const void* source, size_t bytes) const { std::memcpy(target, source, bytes); }
  c10::DeleterFnPtr raw_deleter() const override { return &releaseBlock; }

 private:
  static c10::DataPtr block(size_t bytes) {
    void* start = bytes < kSmallest ? c10::GetDefaultCPUAllocator()->raw_allocate(bytes) : pool().take(bytes);
    TORCH_CHECK(start != nullptr || bytes < kSmallest, "can't allocate memory: ", bytes, " bytes were asked for, ",
                pool().stats().used, " are in use");
    return {start, start, &releaseBlock, c10::Device(c10::DeviceType::CPU)};
  }
};

}  // namespace

void installPool() {
  static auto* allocator = new PoolAllocator();
  c10::SetCPUAllocator(allocator, /*priority=*/1);
}

PoolStats poolStats() { return pool().stats(); }

void resetPoolPeak() { pool().resetPeak(); }

void setPoolLimit(size_t bytes) { pool().limit(bytes); }

}  // namespace tristage
