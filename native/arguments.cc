#include "arguments.h"

#include <cmath>

namespace holdfast {

namespace {

bool Refuse(const Napi::CallbackInfo& info, const char* name, const std::string& wanted) {
  Napi::TypeError::New(info.Env(), std::string(name) + " must be " + wanted).ThrowAsJavaScriptException();
  return false;
}

}  // namespace

bool ReadInteger(const Napi::CallbackInfo& info, size_t index, const char* name, int64_t least, int64_t most,
                 int64_t* out) {
  double value = 0;
  if (napi_get_value_double(info.Env(), info[index], &value) != napi_ok || !std::isfinite(value) ||
      std::trunc(value) != value || value < static_cast<double>(least) || value > static_cast<double>(most)) {
    return Refuse(info, name, "an integer from " + std::to_string(least) + " to " + std::to_string(most));
  }
  *out = static_cast<int64_t>(value);
  return true;
}

bool ReadBytes(const Napi::CallbackInfo& info, size_t index, const char* name, Bytes* out) {
  napi_typedarray_type type = napi_int8_array;
  size_t length = 0;
  void* data = nullptr;
  bool is_typed_array = false;
  if (napi_is_typedarray(info.Env(), info[index], &is_typed_array) != napi_ok || !is_typed_array ||
      napi_get_typedarray_info(info.Env(), info[index], &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return Refuse(info, name, "a Uint8Array");
  }
  out->data = static_cast<const uint8_t*>(data);
  out->length = length;
  return true;
}

bool ReadFunction(const Napi::CallbackInfo& info, size_t index, const char* name, Napi::Function* out) {
  if (!info[index].IsFunction()) return Refuse(info, name, "a function");
  *out = info[index].As<Napi::Function>();
  return true;
}

bool ReadString(const Napi::CallbackInfo& info, size_t index, const char* name, std::string* out) {
  if (!info[index].IsString()) return Refuse(info, name, "a string");
  *out = info[index].As<Napi::String>().Utf8Value();
  if (out->find('\0') != std::string::npos) return Refuse(info, name, "a string without a zero byte");
  return true;
}

}  // namespace holdfast
