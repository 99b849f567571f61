// What one Node environment (the main thread or one worker) owns: its class constructors, its open resources and the
// hook that closes them. Nothing in this addon is static and mutable, since every worker loads it once more.
#pragma once

#include <napi.h>
#include <uv.h>

#include <unordered_set>

namespace holdfast {

class Environment;

// Something with a descriptor. Registered while it lives, released by the environment's cleanup hook however the
// environment ends: return, exception, exhausted heap, terminate().
class Resource {
 public:
  Resource(const Resource&) = delete;
  Resource& operator=(const Resource&) = delete;
  // Closes the descriptor and the poll handle. Idempotent; calls no JavaScript.
  virtual void Release() = 0;

 protected:
  explicit Resource(Environment& environment);
  virtual ~Resource();
  Environment& environment() const { return environment_; }

 private:
  Environment& environment_;
};

// A uv_poll handle for readability on the environment's own loop. libuv frees a handle one turn of the loop after
// uv_close, when its owner may be gone: therefore it is an object of its own, which deletes itself.
class Poller {
 public:
  // `status` is 0 or a negative libuv error.
  using OnReadable = void (*)(void* owner, int status);

  // Returns nullptr and sets `error` (a positive errno) on failure.
  static Poller* Start(Environment& environment, int descriptor, void* owner, OnReadable on_readable, int* error);
  // Polls again after libuv has stopped by itself, which it does on every EPOLLERR. Returns a positive errno or 0.
  int Resume();
  // The descriptor may be closed as soon as this returns. The poller must not be used any more.
  void Close();

  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

 private:
  Poller(Environment& environment, void* owner, OnReadable on_readable)
      : environment_(environment), owner_(owner), on_readable_(on_readable) {}

  static void OnPoll(uv_poll_t* handle, int status, int events);
  static void OnClosed(uv_handle_t* handle);

  uv_poll_t handle_{};
  Environment& environment_;
  void* owner_;
  OnReadable on_readable_;
};

class Environment {
 public:
  // Creates the instance data of this environment. False with a JavaScript exception pending on failure.
  static bool Create(Napi::Env env);
  static Environment& Of(Napi::Env env);

  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  Napi::Env env() const { return env_; }
  uv_loop_t* loop() const { return loop_; }

  void Add(Resource* resource) { resources_.insert(resource); }
  void Remove(Resource* resource) { resources_.erase(resource); }
  void PollerOpened() { pollers_open_++; }
  void PollerClosed();

  // Calls into JavaScript from the loop. An exception becomes an uncaught exception of this environment; where the
  // environment is being terminated nothing happens.
  void CallBack(napi_value function, size_t count, const napi_value* arguments) const;

  Napi::FunctionReference socket_constructor;
  Napi::FunctionReference timer_constructor;

 private:
  explicit Environment(Napi::Env env) : env_(env) {}
  static void OnCleanup(napi_async_cleanup_hook_handle hook, void* data);
  void FinishCleanupWhenClosed();

  Napi::Env env_;
  uv_loop_t* loop_ = nullptr;
  std::unordered_set<Resource*> resources_;
  size_t pollers_open_ = 0;
  bool cleaning_up_ = false;
  napi_async_cleanup_hook_handle hook_ = nullptr;
};

}  // namespace holdfast
