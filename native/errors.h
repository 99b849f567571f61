#pragma once

#include <napi.h>

#include <cerrno>
#include <cstddef>

namespace holdfast {

struct ErrnoName {
  int number;
  const char* name;
};

// Every errno that a call of this addon can meet, and the usual others.
extern const ErrnoName kErrnoNames[];
extern const size_t kErrnoCount;

// An Error with `code` (the errno's name), `errno` (positive) and `syscall`. nullptr where the environment is ending.
napi_value MakeErrnoError(napi_env env, int number, const char* syscall);

// Throws it. The caller returns to JavaScript directly after.
void ThrowErrno(napi_env env, int number, const char* syscall);

}  // namespace holdfast
