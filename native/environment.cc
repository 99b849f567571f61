#include "environment.h"

#include <new>
#include <vector>

#include "errors.h"

namespace holdfast {

Resource::Resource(Environment& environment) : environment_(environment) { environment_.Add(this); }

Resource::~Resource() { environment_.Remove(this); }

Poller* Poller::Start(Environment& environment, int descriptor, void* owner, OnReadable on_readable, int* error) {
  Poller* poller = new (std::nothrow) Poller(environment, owner, on_readable);
  if (poller == nullptr) {
    *error = ENOMEM;
    return nullptr;
  }
  poller->handle_.data = poller;
  int status = uv_poll_init(environment.loop(), &poller->handle_, descriptor);
  if (status != 0) {
    // The handle never became known to the loop.
    delete poller;
    *error = -status;
    return nullptr;
  }
  environment.PollerOpened();
  status = uv_poll_start(&poller->handle_, UV_READABLE, OnPoll);
  if (status != 0) {
    poller->Close();
    *error = -status;
    return nullptr;
  }
  return poller;
}

int Poller::Resume() { return -uv_poll_start(&handle_, UV_READABLE, OnPoll); }

void Poller::Close() {
  owner_ = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&handle_), OnClosed);
}

void Poller::OnPoll(uv_poll_t* handle, int status, int /*events*/) {
  Poller* poller = static_cast<Poller*>(handle->data);
  if (poller->owner_ != nullptr) poller->on_readable_(poller->owner_, status);
}

void Poller::OnClosed(uv_handle_t* handle) {
  Poller* poller = static_cast<Poller*>(handle->data);
  Environment& environment = poller->environment_;
  delete poller;
  environment.PollerClosed();
}

bool Environment::Create(Napi::Env env) {
  Environment* environment = new (std::nothrow) Environment(env);
  if (environment == nullptr) {
    ThrowErrno(env, ENOMEM, "malloc");
    return false;
  }
  if (napi_get_uv_event_loop(env, &environment->loop_) != napi_ok ||
      napi_add_async_cleanup_hook(env, OnCleanup, environment, &environment->hook_) != napi_ok) {
    delete environment;
    Napi::Error::New(env, "this environment has no event loop or takes no cleanup hook").ThrowAsJavaScriptException();
    return false;
  }
  // Deleted when the environment ends. The hook's handle holds the environment until the hook is removed, so this
  // comes after the last poller is closed.
  env.SetInstanceData<Environment>(environment);
  return true;
}

Environment& Environment::Of(Napi::Env env) { return *env.GetInstanceData<Environment>(); }

void Environment::PollerClosed() {
  pollers_open_--;
  FinishCleanupWhenClosed();
}

void Environment::OnCleanup(napi_async_cleanup_hook_handle /*hook*/, void* data) {
  Environment* environment = static_cast<Environment*>(data);
  environment->cleaning_up_ = true;
  for (Resource* resource : environment->resources_) resource->Release();
  environment->FinishCleanupWhenClosed();
}

void Environment::FinishCleanupWhenClosed() {
  if (!cleaning_up_ || pollers_open_ > 0 || hook_ == nullptr) return;
  napi_async_cleanup_hook_handle hook = hook_;
  hook_ = nullptr;
  napi_remove_async_cleanup_hook(hook);
}

void Environment::CallBack(napi_value function, size_t count, const napi_value* arguments) const {
  napi_value receiver = nullptr;
  if (napi_get_global(env_, &receiver) != napi_ok) return;
  if (napi_make_callback(env_, nullptr, receiver, function, count, arguments, nullptr) != napi_pending_exception) return;
  napi_value exception = nullptr;
  bool pending = false;
  if (napi_is_exception_pending(env_, &pending) != napi_ok || !pending) return;
  if (napi_get_and_clear_last_exception(env_, &exception) == napi_ok) napi_fatal_exception(env_, exception);
}

}  // namespace holdfast
