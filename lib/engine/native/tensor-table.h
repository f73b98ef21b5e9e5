// Integer handles for tensors, with counts of what is alive. A handle is a slot number and a generation, so that a handle
// used after its release is an error and never another tensor.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace tristage {

// A mistake in a call from JavaScript, as opposed to an error raised by torch.
struct CallError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class TensorTable {
 public:
  // The handle of a new entry. It stays below 2^31 so that V8 keeps it as a small integer.
  uint32_t add(at::Tensor tensor) {
    countStorage(tensor);
    uint32_t slot;
    if (free_.empty()) {
      if (slots_.size() > kSlotMask) throw CallError("more than 4 million tensors are alive");
      slot = static_cast<uint32_t>(slots_.size());
      slots_.emplace_back();
    } else {
      slot = free_.back();
      free_.pop_back();
    }
    slots_[slot].tensor = std::move(tensor);
    return (slots_[slot].generation << kSlotBits) | slot;
  }

  const at::Tensor& get(uint32_t handle) const {
    const uint32_t slot = handle & kSlotMask;
    if (slot >= slots_.size() || slots_[slot].generation != handle >> kSlotBits || !slots_[slot].tensor.defined()) {
      throw CallError("tensor handle " + std::to_string(handle) + " is not alive");
    }
    return slots_[slot].tensor;
  }

  void release(uint32_t handle) {
    forgetStorage(get(handle));
    Slot& entry = slots_[handle & kSlotMask];
    entry.tensor = at::Tensor();
    // Generation 0 is never used again, so 0 is never a valid handle.
    entry.generation = entry.generation >= kLastGeneration ? 1 : entry.generation + 1;
    free_.push_back(handle & kSlotMask);
  }

  size_t liveTensors() const { return slots_.size() - free_.size(); }
  size_t liveBytes() const { return liveBytes_; }
  size_t peakBytes() const { return peakBytes_; }
  void resetPeak() { peakBytes_ = liveBytes_; }

 private:
  static constexpr uint32_t kSlotBits = 22;
  static constexpr uint32_t kSlotMask = (1u << kSlotBits) - 1;
  static constexpr uint32_t kLastGeneration = 511;
  struct Slot {
    at::Tensor tensor;
    uint32_t generation = 1;
  };
  struct Storage {
    size_t handles = 0;
    size_t bytes = 0;
  };

  void countStorage(const at::Tensor& tensor) {
    if (!tensor.has_storage()) return;
    Storage& entry = storages_[tensor.storage().unsafeGetStorageImpl()];
    if (entry.handles++ == 0) {
      entry.bytes = tensor.storage().nbytes();
      liveBytes_ += entry.bytes;
      if (liveBytes_ > peakBytes_) peakBytes_ = liveBytes_;
    }
  }

  void forgetStorage(const at::Tensor& tensor) {
    if (!tensor.has_storage()) return;
    auto entry = storages_.find(tensor.storage().unsafeGetStorageImpl());
    if (entry == storages_.end() || --entry->second.handles > 0) return;
    liveBytes_ -= entry->second.bytes;
    storages_.erase(entry);
  }

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  std::unordered_map<const void*, Storage> storages_;
  size_t liveBytes_ = 0;
  size_t peakBytes_ = 0;
};

}  // namespace tristage
