// Calls that change the calling thread or a descriptor of the process: see NativeAddon in src/io/addon.types.ts.
#pragma once

#include <napi.h>

namespace holdfast {

Napi::Value ThreadId(const Napi::CallbackInfo& info);
Napi::Value SetRealtime(const Napi::CallbackInfo& info);
Napi::Value EnterNetworkNamespace(const Napi::CallbackInfo& info);
Napi::Value DropAmbientCapabilities(const Napi::CallbackInfo& info);
// makeFifo(path, mode)
Napi::Value MakeFifo(const Napi::CallbackInfo& info);
Napi::Value LockFile(const Napi::CallbackInfo& info);

}  // namespace holdfast
