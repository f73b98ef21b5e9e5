// Typed arrays <-> tensors. Every transfer copies, so that no memory is owned by both sides.
#pragma once

#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <c10/core/InferenceMode.h>
#include <omp.h>

#include <cstring>

#include "values.h"

namespace tristage {

// Larger transfers are weights, which come once; page-locked memory for them would stay in torch's cache.
constexpr size_t kStagedBytes = size_t{64} << 20;

struct HostBytes {
  void* data = nullptr;
  size_t size = 0;
};

inline HostBytes typedArrayBytes(napi_env env, napi_value value) {
  bool typed = false;
  check(env, napi_is_typedarray(env, value, &typed));
  if (!typed) throw CallError("values must be a typed array");
  napi_typedarray_type type;
  size_t length = 0;
  HostBytes bytes;
  check(env, napi_get_typedarray_info(env, value, &type, &length, &bytes.data, nullptr, nullptr));
  switch (type) {
    case napi_int16_array:
    case napi_uint16_array: bytes.size = length * 2; break;
    case napi_int32_array:
    case napi_uint32_array:
    case napi_float32_array: bytes.size = length * 4; break;
    case napi_float64_array:
    case napi_bigint64_array:
    case napi_biguint64_array: bytes.size = length * 8; break;
    default: bytes.size = length; break;
  }
  return bytes;
}

inline at::ScalarType toScalarType(napi_env env, napi_value value) {
  const int64_t code = enumeration(toString(env, value, "dtype"), "dtype");
  return static_cast<at::ScalarType>(code);
}

// The bytes, read as `source`, as a tensor of type `target` on a device.
inline at::Tensor tensorFromBytes(HostBytes bytes, const std::vector<int64_t>& shape, at::ScalarType source,
                                  at::ScalarType target, const c10::Device& device) {
  int64_t count = 1;
  for (int64_t size : shape) {
    if (size < 0) throw CallError("a shape cannot hold a negative size");
    count *= size;
  }
  if (static_cast<size_t>(count) * c10::elementSize(source) != bytes.size) {
    throw CallError("the shape asks for " + std::to_string(static_cast<size_t>(count) * c10::elementSize(source)) +
                    " bytes, the values have " + std::to_string(bytes.size));
  }
  if (source == target && device.is_cpu()) {
    at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(target));
    if (bytes.size > 0) std::memcpy(tensor.data_ptr(), bytes.data, bytes.size);
    return tensor;
  }
  if (!device.is_cpu() && bytes.size > 0 && bytes.size <= kStagedBytes) {
    // The copy to the device goes on while the host does; torch keeps page-locked memory until its stream is through with it.
    const at::Tensor staged = at::empty(shape, at::TensorOptions().dtype(source).pinned_memory(true));
    std::memcpy(staged.data_ptr(), bytes.data, bytes.size);
    return staged.to(at::TensorOptions().dtype(target).device(device), /*non_blocking=*/true, /*copy=*/true);
  }
  static char nothing = 0;
  at::Tensor view = at::from_blob(bytes.size > 0 ? bytes.data : &nothing, shape, at::TensorOptions().dtype(source));
  return view.to(at::TensorOptions().dtype(target).device(device), /*non_blocking=*/false, /*copy=*/true);
}

// What a tensor looks like to JavaScript: floats widen to float32, integers become int32, bool and bytes stay bytes.
struct HostType {
  at::ScalarType scalar;
  napi_typedarray_type array;
};

inline HostType hostType(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::ScalarType::Bool: return {at::ScalarType::Bool, napi_uint8_array};
    case at::ScalarType::Byte: return {at::ScalarType::Byte, napi_uint8_array};
    case at::ScalarType::Char:
    case at::ScalarType::Short:
    case at::ScalarType::Int:
    case at::ScalarType::Long: return {at::ScalarType::Int, napi_int32_array};
    case at::ScalarType::Half:
    case at::ScalarType::BFloat16:
    case at::ScalarType::Float:
    case at::ScalarType::Double: return {at::ScalarType::Float, napi_float32_array};
    default: throw CallError("tensors of this type cannot be read");
  }
}

inline void copyToHost(const at::Tensor& tensor, at::ScalarType type, void* target, size_t bytes) {
  if (bytes == 0) return;
  const c10::InferenceMode inference(true);
  const at::Tensor host = tensor.to(at::TensorOptions().dtype(type).device(c10::kCPU)).contiguous();
  std::memcpy(target, host.data_ptr(), bytes);
}

inline napi_value emptyArray(napi_env env, const at::Tensor& tensor, HostType type, void** data, size_t* bytes) {
  *bytes = static_cast<size_t>(tensor.numel()) * c10::elementSize(type.scalar);
  napi_value buffer;
  napi_value array;
  check(env, napi_create_arraybuffer(env, *bytes, data, &buffer));
  check(env, napi_create_typedarray(env, type.array, static_cast<size_t>(tensor.numel()), buffer, 0, &array));
  return array;
}

inline napi_value readNow(napi_env env, const at::Tensor& tensor) {
  const HostType type = hostType(tensor);
  void* data = nullptr;
  size_t bytes = 0;
  napi_value array = emptyArray(env, tensor, type, &data, &bytes);
  copyToHost(tensor, type.scalar, data, bytes);
  return array;
}

// A read that runs on a worker thread. It holds the tensor, so the handle may be released meanwhile.
struct PendingRead {
  at::Tensor tensor;
  HostType type;
  void* data = nullptr;
  size_t bytes = 0;
  std::string error;
  napi_ref array = nullptr;
  napi_deferred deferred = nullptr;
  napi_async_work work = nullptr;
};

inline void runRead(napi_env, void* context) {
  auto* read = static_cast<PendingRead*>(context);
  // A pool of OpenMP threads belongs to the thread that starts it: here it would be a second one beside the main thread's.
  omp_set_num_threads(1);
  try {
    copyToHost(read->tensor, read->type.scalar, read->data, read->bytes);
  } catch (const std::exception& error) {
    read->error = error.what();
  } catch (...) {
    read->error = "unknown failure while reading a tensor";
  }
}

inline void finishRead(napi_env env, napi_status status, void* context) {
  auto* read = static_cast<PendingRead*>(context);
  if (status != napi_ok && read->error.empty()) read->error = "the read was cancelled";
  if (read->error.empty()) {
    napi_value array;
    napi_get_reference_value(env, read->array, &array);
    napi_resolve_deferred(env, read->deferred, array);
  } else {
    napi_value message;
    napi_value error;
    napi_create_string_utf8(env, read->error.data(), read->error.size(), &message);
    napi_create_error(env, nullptr, message, &error);
    napi_reject_deferred(env, read->deferred, error);
  }
  napi_delete_reference(env, read->array);
  napi_delete_async_work(env, read->work);
  delete read;
}

inline napi_value readLater(napi_env env, const at::Tensor& tensor) {
  auto read = std::make_unique<PendingRead>();
  read->type = hostType(tensor);
  read->tensor = tensor;
  napi_value array = emptyArray(env, tensor, read->type, &read->data, &read->bytes);
  check(env, napi_create_reference(env, array, 1, &read->array));
  napi_value promise;
  napi_value label;
  check(env, napi_create_promise(env, &read->deferred, &promise));
  check(env, napi_create_string_utf8(env, "tristage read", NAPI_AUTO_LENGTH, &label));
  check(env, napi_create_async_work(env, nullptr, label, runRead, finishRead, read.get(), &read->work));
  check(env, napi_queue_async_work(env, read->work));
  read.release();
  return promise;
}

}  // namespace tristage
