#pragma once

#include <napi.h>

namespace holdfast {

// A frozen object of header constants by name: the TypeScript tables are compared with it in a test.
Napi::Value MakeConstants(Napi::Env env);

}  // namespace holdfast
