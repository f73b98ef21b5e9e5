// A generic Node-API door to libtorch: any operator by name, tensors as integer handles. One source for libtorch 1.13 and 2.x.
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dlfcn.h>
#include <node_api.h>

#include <initializer_list>

#include "loans.h"
#include "operators.h"
#include "pool.h"
#include "transfer.h"

namespace tristage {

// Hands an exception to the JavaScript function given to `onError`, and throws what it returns.
void raise(napi_env env, const std::string& where, const std::string& message, bool fromTorch) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  auto* instance = static_cast<Instance*>(data);
  napi_value factory;
  if (instance == nullptr || instance->onError == nullptr ||
      napi_get_reference_value(env, instance->onError, &factory) != napi_ok) {
    napi_throw_error(env, "E_TORCH", message.c_str());
    return;
  }
  napi_value self;
  napi_value arguments[3];
  napi_value error;
  napi_get_undefined(env, &self);
  napi_create_string_utf8(env, where.data(), where.size(), &arguments[0]);
  napi_create_string_utf8(env, message.data(), message.size(), &arguments[1]);
  napi_get_boolean(env, fromTorch, &arguments[2]);
  if (napi_call_function(env, self, factory, 3, arguments, &error) == napi_ok) napi_throw(env, error);
}

// Runs a body so that no C++ exception leaves it.
template <typename Body>
napi_value guarded(napi_env env, const char* where, Body body) {
  std::string message;
  bool fromTorch = true;
  try {
    return body();
  } catch (const CallError& error) {
    message = error.what();
    fromTorch = false;
  } catch (const c10::Error& error) {
    message = error.what_without_backtrace();
  } catch (const std::exception& error) {
    message = error.what();
  } catch (...) {
    message = "unknown C++ exception";
  }
  raise(env, where, message, fromTorch);
  return nullptr;
}

template <size_t Count>
struct Arguments {
  napi_value values[Count];
  size_t count = Count;
  Arguments(napi_env env, napi_callback_info info) {
    check(env, napi_get_cb_info(env, info, &count, values, nullptr, nullptr));
  }
  napi_value operator[](size_t index) const { return values[index]; }
};

// call(operator, ...arguments)
napi_value call(napi_env env, napi_callback_info info) {
  std::string name = "call";
  try {
    Instance& instance = instanceOf(env);
    const Arguments<33> args(env, info);
    const uint32_t index = toHandle(env, args[0], "operator");
    if (index >= instance.operators.size()) throw CallError("unknown operator handle");
    const Operator& op = *instance.operators[index];
    return guarded(env, op.name.c_str(), [&] {
      try {
        return callOperator(env, instance, op, args.values + 1, args.count > 0 ? args.count - 1 : 0);
      } catch (...) {
        // A tensor left on the stack would stay alive.
        instance.stack.clear();
        throw;
      }
    });
  } catch (const std::exception& error) {
    raise(env, name, error.what(), false);
    return nullptr;
  }
}

// resolve(name): operator handle; hasOperator(name): boolean
napi_value resolve(napi_env env, napi_callback_info info) {
  return guarded(env, "resolve", [&] {
    const Arguments<1> args(env, info);
    napi_value result;
    check(env, napi_create_uint32(env, resolveOperator(instanceOf(env), toString(env, args[0], "name")), &result));
    return result;
  });
}

napi_value hasOperator(napi_env env, napi_callback_info info) {
  return guarded(env, "hasOperator", [&] {
    const Arguments<1> args(env, info);
    const std::string fullName = toString(env, args[0], "name");
    const size_t dot = fullName.find('.');
    const std::string overload = dot == std::string::npos ? "" : fullName.substr(dot + 1);
    napi_value result;
    const bool found = c10::Dispatcher::singleton().findSchema({fullName.substr(0, dot), overload}).has_value();
    check(env, napi_get_boolean(env, found, &result));
    return result;
  });
}

// release(handle)
napi_value release(napi_env env, napi_callback_info info) {
  return guarded(env, "release", [&]() -> napi_value {
    const Arguments<1> args(env, info);
    instanceOf(env).table.release(toHandle(env, args[0], "tensor"));
    return nullptr;
  });
}

// fromData(typedArray, sourceType, shape, targetType, device): handle
napi_value fromData(napi_env env, napi_callback_info info) {
  return guarded(env, "fromData", [&] {
    const Arguments<5> args(env, info);
    const c10::InferenceMode inference(true);
    const HostBytes bytes = typedArrayBytes(env, args[0]);
    const std::vector<int64_t> shape = toIntegers(env, args[2], "shape");
    const at::ScalarType source = toScalarType(env, args[1]);
    const at::ScalarType target = toScalarType(env, args[3]);
    const c10::Device device(toString(env, args[4], "device"));
    at::Tensor tensor;
    if (source == target && device.is_cpu()) tensor = takeLoan(env, args[0], bytes, shape, source);
    if (!tensor.defined()) tensor = tensorFromBytes(bytes, shape, source, target, device);
    napi_value result;
    check(env, napi_create_uint32(env, instanceOf(env).table.add(std::move(tensor)), &result));
    return result;
  });
}

// lend(bytes): array buffer over fresh memory; `fromData` takes it back without a copy
napi_value lend(napi_env env, napi_callback_info info) {
  return guarded(env, "lend", [&] {
    const Arguments<1> args(env, info);
    return lendBytes(env, toInteger(env, args[0], "bytes"));
  });
}

// read(handle): typed array; readAsync(handle): promise of one
napi_value read(napi_env env, napi_callback_info info) {
  return guarded(env, "read", [&] {
    const Arguments<1> args(env, info);
    return readNow(env, instanceOf(env).table.get(toHandle(env, args[0], "tensor")));
  });
}

napi_value readAsync(napi_env env, napi_callback_info info) {
  return guarded(env, "readAsync", [&] {
    const Arguments<1> args(env, info);
    return readLater(env, instanceOf(env).table.get(toHandle(env, args[0], "tensor")));
  });
}

// shape(handle): number[]
napi_value shape(napi_env env, napi_callback_info info) {
  return guarded(env, "shape", [&] {
    const Arguments<1> args(env, info);
    const at::Tensor& tensor = instanceOf(env).table.get(toHandle(env, args[0], "tensor"));
    napi_value result;
    check(env, napi_create_array_with_length(env, tensor.dim(), &result));
    for (int64_t i = 0; i < tensor.dim(); i++) {
      napi_value size;
      check(env, napi_create_int64(env, tensor.size(i), &size));
      check(env, napi_set_element(env, result, static_cast<uint32_t>(i), size));
    }
    return result;
  });
}

// dtype(handle): torch's name of the physical type
napi_value dtype(napi_env env, napi_callback_info info) {
  return guarded(env, "dtype", [&] {
    const Arguments<1> args(env, info);
    const char* name = c10::toString(instanceOf(env).table.get(toHandle(env, args[0], "tensor")).scalar_type());
    napi_value result;
    check(env, napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &result));
    return result;
  });
}

// isExclusive(handle): whether nobody else (a view, a read under way) sees this tensor's memory
napi_value isExclusive(napi_env env, napi_callback_info info) {
  return guarded(env, "isExclusive", [&] {
    const Arguments<1> args(env, info);
    const at::Tensor& tensor = instanceOf(env).table.get(toHandle(env, args[0], "tensor"));
    napi_value result;
    check(env, napi_get_boolean(env, tensor.use_count() == 1 && tensor.storage().use_count() == 1, &result));
    return result;
  });
}

// Counts as an array of JavaScript.
napi_value numbersOf(napi_env env, std::initializer_list<size_t> numbers) {
  napi_value result;
  check(env, napi_create_array_with_length(env, numbers.size(), &result));
  uint32_t place = 0;
  for (const size_t value : numbers) {
    napi_value number;
    check(env, napi_create_int64(env, static_cast<int64_t>(value), &number));
    check(env, napi_set_element(env, result, place++, number));
  }
  return result;
}

// stats(): [live tensors, live bytes, peak bytes]; resetPeak()
napi_value stats(napi_env env, napi_callback_info) {
  return guarded(env, "stats", [&] {
    const TensorTable& table = instanceOf(env).table;
    return numbersOf(env, {table.liveTensors(), table.liveBytes(), table.peakBytes()});
  });
}

// memory(): bytes of CPU tensors, everything inside operators included: [in use, kept for later, most in use since the last reset]
napi_value memory(napi_env env, napi_callback_info) {
  return guarded(env, "memory", [&] {
    const PoolStats pool = poolStats();
    return numbersOf(env, {pool.used, pool.kept, pool.peak});
  });
}

// limitMemory(bytes): operators fail that would take more for CPU tensors; 0: no limit
napi_value limitMemory(napi_env env, napi_callback_info info) {
  return guarded(env, "limitMemory", [&]() -> napi_value {
    const Arguments<1> args(env, info);
    setPoolLimit(static_cast<size_t>(toInteger(env, args[0], "bytes")));
    return nullptr;
  });
}

napi_value resetPeak(napi_env env, napi_callback_info) {
  return guarded(env, "resetPeak", [&]() -> napi_value {
    instanceOf(env).table.resetPeak();
    resetPoolPeak();
    return nullptr;
  });
}

// setThreads(count); threads()
napi_value setThreads(napi_env env, napi_callback_info info) {
  return guarded(env, "setThreads", [&]() -> napi_value {
    const Arguments<1> args(env, info);
    const int64_t count = toInteger(env, args[0], "threads");
    if (count < 1 || count > 4096) throw CallError("threads must be between 1 and 4096");
    at::set_num_threads(static_cast<int>(count));
    return nullptr;
  });
}

napi_value threads(napi_env env, napi_callback_info) {
  return guarded(env, "threads", [&] {
    napi_value result;
    check(env, napi_create_int32(env, at::get_num_threads(), &result));
    return result;
  });
}

// buildSettings(): torch's own description of the library that was loaded
napi_value buildSettings(napi_env env, napi_callback_info) {
  return guarded(env, "buildSettings", [&] {
    const std::string text = at::show_config();
    napi_value result;
    check(env, napi_create_string_utf8(env, text.data(), text.size(), &result));
    return result;
  });
}

// loadLibrary(path): opens a further library of torch (its CUDA kernels) so that it registers itself
napi_value loadLibrary(napi_env env, napi_callback_info info) {
  return guarded(env, "loadLibrary", [&]() -> napi_value {
    const Arguments<1> args(env, info);
    if (dlopen(toString(env, args[0], "path").c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr) throw CallError(dlerror());
    return nullptr;
  });
}

// onError(factory): factory(where, message, fromTorch) makes the error that a failed call throws
napi_value onError(napi_env env, napi_callback_info info) {
  return guarded(env, "onError", [&]() -> napi_value {
    const Arguments<1> args(env, info);
    Instance& instance = instanceOf(env);
    napi_valuetype type;
    check(env, napi_typeof(env, args[0], &type));
    if (type != napi_function) throw CallError("onError takes a function");
    if (instance.onError != nullptr) check(env, napi_delete_reference(env, instance.onError));
    check(env, napi_create_reference(env, args[0], 1, &instance.onError));
    return nullptr;
  });
}

napi_value initialise(napi_env env, napi_value exports) {
  installPool();
  auto* instance = new Instance();
  napi_set_instance_data(
      env, instance, [](napi_env, void* data, void*) { delete static_cast<Instance*>(data); }, nullptr);
  const std::pair<const char*, napi_callback> functions[] = {
      {"call", call},           {"resolve", resolve},         {"hasOperator", hasOperator},
      {"release", release},     {"fromData", fromData},       {"read", read},
      {"readAsync", readAsync}, {"shape", shape},             {"dtype", dtype},
      {"stats", stats},         {"resetPeak", resetPeak},     {"setThreads", setThreads},
      {"threads", threads},     {"buildSettings", buildSettings}, {"loadLibrary", loadLibrary},
      {"onError", onError},     {"isExclusive", isExclusive},
      {"memory", memory},       {"limitMemory", limitMemory}, {"lend", lend},
  };
  for (const auto& [name, function] : functions) {
    napi_value value;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, function, nullptr, &value);
    napi_set_named_property(env, exports, name, value);
  }
  return exports;
}

}  // namespace tristage

NAPI_MODULE(NODE_GYP_MODULE_NAME, tristage::initialise)
