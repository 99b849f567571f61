#include "timer.h"

#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "arguments.h"
#include "errors.h"

namespace holdfast {

namespace {

constexpr int64_t kUsPerSecond = 1000000;
constexpr int64_t kNsPerUs = 1000;
// The largest integer that a double holds exactly: 285 years of microseconds.
constexpr int64_t kUsMax = (int64_t{1} << 53) - 1;

}  // namespace

void Timer::Define(Napi::Env env, Environment& environment) {
  Napi::Function constructor = DefineClass(
      env, "NativeTimer",
      {InstanceMethod<&Timer::Arm>("arm"), InstanceMethod<&Timer::Disarm>("disarm"),
       InstanceMethod<&Timer::Close>("close")});
  environment.timer_constructor = Napi::Persistent(constructor);
}

Napi::Value Timer::Open(const Napi::CallbackInfo& info) {
  return Environment::Of(info.Env()).timer_constructor.New({info[0]});
}

Timer::Timer(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Timer>(info), Resource(Environment::Of(info.Env())) {
  Napi::Function on_expired;
  if (!ReadFunction(info, 0, "onExpired", &on_expired)) return;
  descriptor_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  if (descriptor_ < 0) {
    ThrowErrno(info.Env(), errno, "timerfd_create");
    return;
  }
  int error = 0;
  poller_ = Poller::Start(environment(), descriptor_, this, OnReadable, &error);
  if (poller_ == nullptr) {
    ThrowErrno(info.Env(), error, "uv_poll_start");
    return;
  }
  on_expired_ = Napi::Persistent(on_expired);
  // The loop knows this object until Release.
  Ref();
}

Timer::~Timer() { Release(); }

void Timer::Release() {
  if (poller_ != nullptr) {
    poller_->Close();
    poller_ = nullptr;
    on_expired_.Reset();
    Unref();
  }
  if (descriptor_ < 0) return;
  close(descriptor_);
  descriptor_ = -1;
}

void Timer::Set(const Napi::CallbackInfo& info, int64_t at_us) {
  if (descriptor_ < 0) return ThrowErrno(info.Env(), EBADF, "timerfd_settime");
  itimerspec at{};
  at.it_value.tv_sec = at_us / kUsPerSecond;
  at.it_value.tv_nsec = (at_us % kUsPerSecond) * kNsPerUs;
  if (timerfd_settime(descriptor_, TFD_TIMER_ABSTIME, &at, nullptr) != 0) {
    ThrowErrno(info.Env(), errno, "timerfd_settime");
  }
}

Napi::Value Timer::Arm(const Napi::CallbackInfo& info) {
  // Not below 1: an instant of zero would disarm.
  int64_t at_us = 0;
  if (ReadInteger(info, 0, "atUs", -kUsMax, kUsMax, &at_us)) Set(info, at_us < 1 ? 1 : at_us);
  return info.Env().Undefined();
}

Napi::Value Timer::Disarm(const Napi::CallbackInfo& info) {
  Set(info, 0);
  return info.Env().Undefined();
}

Napi::Value Timer::Close(const Napi::CallbackInfo& info) {
  Release();
  return info.Env().Undefined();
}

void Timer::OnReadable(void* owner, int /*status*/) { static_cast<Timer*>(owner)->DeliverExpiry(); }

void Timer::DeliverExpiry() {
  uint64_t expirations = 0;
  // EAGAIN: armed anew after this turn of the loop had found the descriptor readable.
  if (read(descriptor_, &expirations, sizeof(expirations)) != sizeof(expirations)) return;
  Napi::HandleScope scope(Env());
  environment().CallBack(on_expired_.Value(), 0, nullptr);
}

namespace {

Napi::Value ClockUs(const Napi::CallbackInfo& info, clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  const int64_t us = static_cast<int64_t>(now.tv_sec) * kUsPerSecond + now.tv_nsec / kNsPerUs;
  return Napi::Number::New(info.Env(), static_cast<double>(us));
}

}  // namespace

Napi::Value MonotonicUs(const Napi::CallbackInfo& info) { return ClockUs(info, CLOCK_MONOTONIC); }

Napi::Value RealtimeUs(const Napi::CallbackInfo& info) { return ClockUs(info, CLOCK_REALTIME); }

}  // namespace holdfast
