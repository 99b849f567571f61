// Reading of arguments. Each returns false with a TypeError pending when the argument does not fit: the facade in
// TypeScript is typed, so this is the last line of defence, not the first.
#pragma once

#include <napi.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace holdfast {

struct Bytes {
  const uint8_t* data = nullptr;
  size_t length = 0;
};

bool ReadInteger(const Napi::CallbackInfo& info, size_t index, const char* name, int64_t least, int64_t most,
                 int64_t* out);
bool ReadBytes(const Napi::CallbackInfo& info, size_t index, const char* name, Bytes* out);
bool ReadFunction(const Napi::CallbackInfo& info, size_t index, const char* name, Napi::Function* out);
bool ReadString(const Napi::CallbackInfo& info, size_t index, const char* name, std::string* out);

}  // namespace holdfast
