// Memory of a tensor lent to JavaScript, so that a file can be read straight into it. When the values come back for an upload, the
// tensor takes its memory back and the array is empty from then on: at no time do both sides use it.
#pragma once

#include <ATen/ops/empty.h>

#include <memory>
#include <mutex>

#include "transfer.h"

namespace tristage {

// What is lent, by address. Environments (main thread, workers) share the table: each looks up only what it holds an array of.
struct Loan {
  at::Tensor bytes;
};

struct Loans {
  std::mutex mutex;
  std::unordered_map<const void*, Loan*> byAddress;
};

inline Loans& loans() {
  static Loans all;
  return all;
}

inline void forgetLoan(Loan* loan) {
  Loans& all = loans();
  const std::lock_guard<std::mutex> lock(all.mutex);
  const auto found = all.byAddress.find(loan->bytes.defined() ? loan->bytes.data_ptr() : nullptr);
  if (found != all.byAddress.end() && found->second == loan) all.byAddress.erase(found);
}

// An array buffer over so many bytes that no one has touched.
inline napi_value lendBytes(napi_env env, int64_t size) {
  if (size < 1) throw CallError("only memory that has a size can be lent");
  auto loan = std::make_unique<Loan>();
  {
    const c10::InferenceMode inference(true);
    loan->bytes = at::empty({size}, at::TensorOptions().dtype(at::kByte));
  }
  void* address = loan->bytes.data_ptr();
  {
    Loans& all = loans();
    const std::lock_guard<std::mutex> lock(all.mutex);
    all.byAddress[address] = loan.get();
  }
  const auto finalize = [](napi_env, void*, void* hint) {
    auto* own = static_cast<Loan*>(hint);
    forgetLoan(own);
    delete own;
  };
  napi_value buffer;
  const napi_status status =
      napi_create_external_arraybuffer(env, address, static_cast<size_t>(size), finalize, loan.get(), &buffer);
  if (status != napi_ok) forgetLoan(loan.get());
  check(env, status);
  loan.release();
  return buffer;
}

// The tensor whose memory the values are, all of it; undefined for values that lie elsewhere.
inline at::Tensor takeLoan(napi_env env, napi_value values, HostBytes bytes, const std::vector<int64_t>& shape,
                           at::ScalarType type) {
  Loans& all = loans();
  at::Tensor memory;
  {
    const std::lock_guard<std::mutex> lock(all.mutex);
    const auto found = all.byAddress.find(bytes.data);
    if (found == all.byAddress.end() || found->second->bytes.nbytes() != bytes.size) return {};
    // Nothing but the tensor holds the memory from here on.
    memory = std::move(found->second->bytes);
    found->second->bytes = at::Tensor();
    all.byAddress.erase(found);
  }
  napi_value buffer;
  check(env, napi_get_typedarray_info(env, values, nullptr, nullptr, nullptr, &buffer, nullptr));
  check(env, napi_detach_arraybuffer(env, buffer));
  int64_t count = 1;
  for (const int64_t size : shape) count *= size;
  if (count * static_cast<int64_t>(c10::elementSize(type)) != static_cast<int64_t>(bytes.size)) {
    throw CallError("the shape does not fit the " + std::to_string(bytes.size) + " bytes that were lent");
  }
  return memory.view(type).view(shape);
}

}  // namespace tristage
