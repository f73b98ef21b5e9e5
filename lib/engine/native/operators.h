// Operators of libtorch found by name once and called through boxed dispatch, arguments converted by their schemas.
#pragma once

#include <ATen/core/dispatch/Dispatcher.h>
#include <c10/core/InferenceMode.h>

#include <memory>

#include "values.h"

namespace tristage {

struct Operator {
  std::string name;
  c10::OperatorHandle handle;
  std::vector<Slot> arguments;
  // Results that alias a written argument (in-place and out= forms) are not handed out: the caller has their handle.
  std::vector<bool> returned;
};

// Everything one JavaScript environment (main thread or worker) owns.
struct Instance {
  TensorTable table;
  std::vector<std::unique_ptr<Operator>> operators;
  std::unordered_map<std::string, uint32_t> operatorIndex;
  torch::jit::Stack stack;
  napi_ref onError = nullptr;
};

inline Instance& instanceOf(napi_env env) {
  void* data = nullptr;
  check(env, napi_get_instance_data(env, &data));
  return *static_cast<Instance*>(data);
}

inline uint32_t resolveOperator(Instance& instance, const std::string& fullName) {
  auto known = instance.operatorIndex.find(fullName);
  if (known != instance.operatorIndex.end()) return known->second;
  const size_t dot = fullName.find('.');
  const std::string name = fullName.substr(0, dot);
  const std::string overload = dot == std::string::npos ? "" : fullName.substr(dot + 1);
  auto found = c10::Dispatcher::singleton().findSchema({name, overload});
  if (!found.has_value()) throw CallError("this libtorch has no operator '" + fullName + "'");
  auto entry = std::make_unique<Operator>(Operator{fullName, *found, {}, {}});
  const c10::FunctionSchema& schema = entry->handle.schema();
  for (const c10::Argument& argument : schema.arguments()) entry->arguments.push_back(describe(argument));
  for (const c10::Argument& result : schema.returns()) {
    entry->returned.push_back(result.alias_info() == nullptr || !result.alias_info()->isWrite());
  }
  const uint32_t index = static_cast<uint32_t>(instance.operators.size());
  instance.operators.push_back(std::move(entry));
  instance.operatorIndex.emplace(fullName, index);
  return index;
}

inline napi_value callOperator(napi_env env, Instance& instance, const Operator& op, const napi_value* given, size_t count) {
  if (count > op.arguments.size()) {
    throw CallError("takes " + std::to_string(op.arguments.size()) + " arguments, found " + std::to_string(count));
  }
  torch::jit::Stack& stack = instance.stack;
  stack.clear();
  napi_value undefined = nullptr;
  for (size_t i = 0; i < op.arguments.size(); i++) {
    if (i >= count && undefined == nullptr) check(env, napi_get_undefined(env, &undefined));
    stack.push_back(fromJs(env, instance.table, op.arguments[i], i < count ? given[i] : undefined));
  }
  {
    const c10::InferenceMode inference(true);
    op.handle.callBoxed(&stack);
  }
  napi_value result = nullptr;
  size_t handedOut = 0;
  for (const bool returned : op.returned) handedOut += returned ? 1 : 0;
  if (handedOut == 1 && op.returned.size() == 1) {
    result = toJs(env, instance.table, stack[0]);
  } else if (handedOut > 0) {
    check(env, napi_create_array_with_length(env, handedOut, &result));
    uint32_t index = 0;
    for (size_t i = 0; i < op.returned.size(); i++) {
      if (op.returned[i]) check(env, napi_set_element(env, result, index++, toJs(env, instance.table, stack[i])));
    }
  } else {
    check(env, napi_get_undefined(env, &result));
  }
  stack.clear();
  return result;
}

}  // namespace tristage
