#pragma once

#include <napi.h>

#include "environment.h"

namespace holdfast {

// A timerfd on CLOCK_MONOTONIC: see NativeTimer in src/io/addon.types.ts.
class Timer : public Napi::ObjectWrap<Timer>, public Resource {
 public:
  static void Define(Napi::Env env, Environment& environment);
  // openTimer(onExpired)
  static Napi::Value Open(const Napi::CallbackInfo& info);

  explicit Timer(const Napi::CallbackInfo& info);
  ~Timer() override;
  void Release() override;

 private:
  Napi::Value Arm(const Napi::CallbackInfo& info);
  Napi::Value Disarm(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  void Set(const Napi::CallbackInfo& info, int64_t at_us);
  static void OnReadable(void* owner, int status);
  void DeliverExpiry();

  int descriptor_ = -1;
  Poller* poller_ = nullptr;
  Napi::FunctionReference on_expired_;
};

// CLOCK_MONOTONIC in microseconds.
Napi::Value MonotonicUs(const Napi::CallbackInfo& info);
// realtimeUs(): CLOCK_REALTIME, by which the kernel stamps what it receives.
Napi::Value RealtimeUs(const Napi::CallbackInfo& info);

}  // namespace holdfast
