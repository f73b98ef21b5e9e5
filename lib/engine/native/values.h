// JavaScript values <-> torch values, directed by the schema of the operator that is called.
#pragma once

#include <ATen/core/function_schema.h>
#include <ATen/core/ivalue.h>
#include <ATen/core/jit_type.h>
#include <ATen/core/stack.h>
#include <node_api.h>

#include <cmath>

#include "tensor-table.h"

namespace tristage {

// c10::optional or std::optional, whichever this libtorch uses.
using OptionalTensor = decltype(std::declval<const c10::IValue&>().toOptional<at::Tensor>());

enum class Kind { Tensor, Int, Float, Bool, Scalar, String, Device, Other };

// What one argument accepts, decoded once per operator.
struct Slot {
  Kind kind = Kind::Other;
  bool list = false;
  bool optional = false;
  bool optionalItems = false;
  int64_t fixedSize = 0;  // int[2]: one number stands for two
  std::string name;
  bool hasDefault = false;
  c10::IValue defaultValue;
};

inline Kind kindOf(const c10::TypePtr& type) {
  switch (type->kind()) {
    case c10::TypeKind::TensorType: return Kind::Tensor;
    case c10::TypeKind::IntType:
    case c10::TypeKind::SymIntType: return Kind::Int;
    case c10::TypeKind::FloatType: return Kind::Float;
    case c10::TypeKind::BoolType: return Kind::Bool;
    case c10::TypeKind::NumberType: return Kind::Scalar;
    case c10::TypeKind::StringType: return Kind::String;
    case c10::TypeKind::DeviceObjType: return Kind::Device;
    default: return Kind::Other;
  }
}

inline Slot describe(const c10::Argument& argument) {
  Slot slot;
  slot.name = argument.name();
  slot.fixedSize = argument.N().has_value() ? *argument.N() : 0;
  slot.hasDefault = argument.default_value().has_value();
  if (slot.hasDefault) slot.defaultValue = *argument.default_value();
  c10::TypePtr type = argument.type();
  if (type->kind() == c10::TypeKind::OptionalType) {
    slot.optional = true;
    type = type->castRaw<c10::OptionalType>()->getElementType();
  }
  if (type->kind() == c10::TypeKind::ListType) {
    slot.list = true;
    type = type->castRaw<c10::ListType>()->getElementType();
    if (type->kind() == c10::TypeKind::OptionalType) {
      slot.optionalItems = true;
      type = type->castRaw<c10::OptionalType>()->getElementType();
    }
  }
  slot.kind = kindOf(type);
  return slot;
}

inline void check(napi_env env, napi_status status) {
  if (status == napi_ok) return;
  const napi_extended_error_info* info = nullptr;
  napi_get_last_error_info(env, &info);
  throw CallError(info != nullptr && info->error_message != nullptr ? info->error_message : "Node-API call failed");
}

inline bool isNone(napi_env env, napi_value value) {
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  return type == napi_undefined || type == napi_null;
}

inline double toNumber(napi_env env, napi_value value, const char* what) {
  double number = 0;
  if (napi_get_value_double(env, value, &number) != napi_ok) throw CallError(std::string(what) + " must be a number");
  return number;
}

inline int64_t toInteger(napi_env env, napi_value value, const char* what) {
  const double number = toNumber(env, value, what);
  // Beyond 2^53 a double does not hold every integer.
  if (!(std::fabs(number) <= 9007199254740992.0) || number != std::floor(number)) {
    throw CallError(std::string(what) + " must be an integer, found " + std::to_string(number));
  }
  return static_cast<int64_t>(number);
}

inline uint32_t toHandle(napi_env env, napi_value value, const char* what) {
  uint32_t handle = 0;
  if (napi_get_value_uint32(env, value, &handle) != napi_ok) {
    throw CallError(std::string(what) + " must be a tensor handle");
  }
  return handle;
}

inline bool toBool(napi_env env, napi_value value, const char* what) {
  bool flag = false;
  if (napi_get_value_bool(env, value, &flag) != napi_ok) throw CallError(std::string(what) + " must be true or false");
  return flag;
}

inline std::string toString(napi_env env, napi_value value, const char* what) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) {
    throw CallError(std::string(what) + " must be a string");
  }
  std::string text(length, '\0');
  check(env, napi_get_value_string_utf8(env, value, &text[0], length + 1, &length));
  return text;
}

inline uint32_t arrayLength(napi_env env, napi_value value, const char* what) {
  bool array = false;
  check(env, napi_is_array(env, value, &array));
  if (!array) throw CallError(std::string(what) + " must be an array");
  uint32_t length = 0;
  check(env, napi_get_array_length(env, value, &length));
  return length;
}

inline std::vector<int64_t> toIntegers(napi_env env, napi_value value, const char* what) {
  const uint32_t length = arrayLength(env, value, what);
  std::vector<int64_t> items(length);
  for (uint32_t i = 0; i < length; i++) {
    napi_value item;
    check(env, napi_get_element(env, value, i, &item));
    items[i] = toInteger(env, item, what);
  }
  return items;
}

// JavaScript has one number type: a whole number becomes an integer scalar, as torch promotes both the same way
// beside a float tensor and an integer tensor must stay one.
inline c10::Scalar toScalar(napi_env env, napi_value value, const char* what) {
  napi_valuetype type;
  check(env, napi_typeof(env, value, &type));
  if (type == napi_boolean) return c10::Scalar(toBool(env, value, what));
  const double number = toNumber(env, value, what);
  if (number == std::floor(number) && std::fabs(number) <= 9007199254740992.0) {
    return c10::Scalar(static_cast<int64_t>(number));
  }
  return c10::Scalar(number);
}

// Integer arguments that stand for an enumeration may be given by name.
inline int64_t enumeration(const std::string& name, const char* what) {
  static const std::unordered_map<std::string, int64_t> values = {
      {"uint8", int64_t(c10::ScalarType::Byte)},       {"int8", int64_t(c10::ScalarType::Char)},
      {"int16", int64_t(c10::ScalarType::Short)},      {"int32", int64_t(c10::ScalarType::Int)},
      {"int64", int64_t(c10::ScalarType::Long)},       {"float16", int64_t(c10::ScalarType::Half)},
      {"float32", int64_t(c10::ScalarType::Float)},    {"float64", int64_t(c10::ScalarType::Double)},
      {"bool", int64_t(c10::ScalarType::Bool)},        {"bfloat16", int64_t(c10::ScalarType::BFloat16)},
      {"strided", int64_t(c10::Layout::Strided)},      {"contiguous_format", int64_t(c10::MemoryFormat::Contiguous)},
      {"preserve_format", int64_t(c10::MemoryFormat::Preserve)},
      {"channels_last", int64_t(c10::MemoryFormat::ChannelsLast)},
  };
  auto found = values.find(name);
  if (found == values.end()) throw CallError(std::string(what) + ": unknown name '" + name + "'");
  return found->second;
}

inline c10::IValue itemValue(napi_env env, const TensorTable& table, const Slot& slot, napi_value value) {
  const char* what = slot.name.c_str();
  switch (slot.kind) {
    case Kind::Tensor: return c10::IValue(table.get(toHandle(env, value, what)));
    case Kind::Int: {
      napi_valuetype type;
      check(env, napi_typeof(env, value, &type));
      if (type == napi_string) return c10::IValue(enumeration(toString(env, value, what), what));
      return c10::IValue(toInteger(env, value, what));
    }
    case Kind::Float: return c10::IValue(toNumber(env, value, what));
    case Kind::Bool: return c10::IValue(toBool(env, value, what));
    case Kind::Scalar: return c10::IValue(toScalar(env, value, what));
    case Kind::String: return c10::IValue(toString(env, value, what));
    case Kind::Device: return c10::IValue(c10::Device(toString(env, value, what)));
    case Kind::Other: break;
  }
  throw CallError(std::string(what) + " has a type that cannot be given from JavaScript; leave it out");
}

inline c10::IValue tensorList(napi_env env, const TensorTable& table, const Slot& slot, napi_value value) {
  const char* what = slot.name.c_str();
  const uint32_t length = arrayLength(env, value, what);
  c10::List<at::Tensor> plain;
  c10::List<OptionalTensor> optional;
  for (uint32_t i = 0; i < length; i++) {
    napi_value item;
    check(env, napi_get_element(env, value, i, &item));
    if (slot.optionalItems) {
      if (isNone(env, item)) {
        optional.push_back(OptionalTensor());
      } else {
        optional.push_back(OptionalTensor(table.get(toHandle(env, item, what))));
      }
    } else {
      plain.push_back(table.get(toHandle(env, item, what)));
    }
  }
  return slot.optionalItems ? c10::IValue(optional) : c10::IValue(plain);
}

inline c10::IValue listValue(napi_env env, const TensorTable& table, const Slot& slot, napi_value value) {
  const char* what = slot.name.c_str();
  if (slot.kind == Kind::Tensor) return tensorList(env, table, slot, value);
  if (slot.kind == Kind::Int) {
    napi_valuetype type;
    check(env, napi_typeof(env, value, &type));
    if (type == napi_number && slot.fixedSize > 0) {
      return c10::IValue(std::vector<int64_t>(static_cast<size_t>(slot.fixedSize), toInteger(env, value, what)));
    }
    return c10::IValue(toIntegers(env, value, what));
  }
  const uint32_t length = arrayLength(env, value, what);
  c10::List<double> floats;
  c10::List<bool> flags;
  for (uint32_t i = 0; i < length; i++) {
    napi_value item;
    check(env, napi_get_element(env, value, i, &item));
    if (slot.kind == Kind::Float) {
      floats.push_back(toNumber(env, item, what));
    } else if (slot.kind == Kind::Bool) {
      flags.push_back(toBool(env, item, what));
    } else {
      throw CallError(std::string(what) + " is a list of a type that cannot be given from JavaScript");
    }
  }
  return slot.kind == Kind::Float ? c10::IValue(floats) : c10::IValue(flags);
}

inline c10::IValue fromJs(napi_env env, const TensorTable& table, const Slot& slot, napi_value value) {
  if (isNone(env, value)) {
    // `undefined` takes the schema's default; `null` is none where none is allowed.
    napi_valuetype type;
    check(env, napi_typeof(env, value, &type));
    if (type == napi_undefined && slot.hasDefault) return slot.defaultValue;
    if (slot.optional || slot.kind == Kind::Other) return c10::IValue();
    if (slot.hasDefault) return slot.defaultValue;
    throw CallError("argument '" + slot.name + "' is missing");
  }
  return slot.list ? listValue(env, table, slot, value) : itemValue(env, table, slot, value);
}

inline napi_value toJs(napi_env env, TensorTable& table, const c10::IValue& value);

template <typename Items>
inline napi_value listToJs(napi_env env, TensorTable& table, const Items& items) {
  napi_value array;
  check(env, napi_create_array_with_length(env, items.size(), &array));
  uint32_t index = 0;
  for (const c10::IValue& item : items) check(env, napi_set_element(env, array, index++, toJs(env, table, item)));
  return array;
}

inline napi_value toJs(napi_env env, TensorTable& table, const c10::IValue& value) {
  napi_value result;
  if (value.isTensor()) {
    // An output that the operator did not compute (output_mask false) is an undefined tensor.
    if (!value.toTensor().defined()) {
      check(env, napi_get_null(env, &result));
    } else {
      check(env, napi_create_uint32(env, table.add(value.toTensor()), &result));
    }
  } else if (value.isInt()) {
    check(env, napi_create_int64(env, value.toInt(), &result));
  } else if (value.isDouble()) {
    check(env, napi_create_double(env, value.toDouble(), &result));
  } else if (value.isBool()) {
    check(env, napi_get_boolean(env, value.toBool(), &result));
  } else if (value.isScalar()) {
    check(env, napi_create_double(env, value.toScalar().toDouble(), &result));
  } else if (value.isString()) {
    const std::string& text = value.toStringRef();
    check(env, napi_create_string_utf8(env, text.data(), text.size(), &result));
  } else if (value.isList()) {
    const c10::List<c10::IValue> list = value.toList();
    return listToJs(env, table, std::vector<c10::IValue>(list.begin(), list.end()));
  } else if (value.isTuple()) {
    return listToJs(env, table, value.toTupleRef().elements());
  } else if (value.isNone()) {
    check(env, napi_get_null(env, &result));
  } else {
    throw CallError("the operator returned a value of a type that JavaScript cannot hold: " + value.tagKind());
  }
  return result;
}

}  // namespace tristage
