#pragma once

#include <napi.h>

#include "environment.h"
#include "receive_arena.h"

namespace holdfast {

// A datagram-like socket of any family (netlink, raw, packet, unix): see NativeSocket in src/io/addon.types.ts.
class Socket : public Napi::ObjectWrap<Socket>, public Resource {
 public:
  static void Define(Napi::Env env, Environment& environment);
  // openSocket(domain, type, protocol)
  static Napi::Value Open(const Napi::CallbackInfo& info);
  // openSocketPair(domain, type)
  static Napi::Value OpenPair(const Napi::CallbackInfo& info);
  // adoptSocket(descriptor, least?)
  static Napi::Value Adopt(const Napi::CallbackInfo& info);

  explicit Socket(const Napi::CallbackInfo& info);
  ~Socket() override;
  void Release() override;

 private:
  static Napi::Value Wrap(Napi::Env env, int descriptor);

  Napi::Value Bind(const Napi::CallbackInfo& info);
  Napi::Value Connect(const Napi::CallbackInfo& info);
  Napi::Value SetOption(const Napi::CallbackInfo& info);
  Napi::Value GetOption(const Napi::CallbackInfo& info);
  Napi::Value AttachFilter(const Napi::CallbackInfo& info);
  Napi::Value Address(const Napi::CallbackInfo& info);
  Napi::Value Descriptor(const Napi::CallbackInfo& info);
  Napi::Value Detach(const Napi::CallbackInfo& info);
  Napi::Value Send(const Napi::CallbackInfo& info);
  Napi::Value Receive(const Napi::CallbackInfo& info);
  Napi::Value WaitReadable(const Napi::CallbackInfo& info);
  Napi::Value StartReceiving(const Napi::CallbackInfo& info);
  Napi::Value StopReceiving(const Napi::CallbackInfo& info);
  Napi::Value Close(const Napi::CallbackInfo& info);

  // False with EBADF thrown after close.
  bool IsOpen(const Napi::CallbackInfo& info, const char* syscall) const;
  void StopPolling();
  static void OnReadable(void* owner, int status);
  void DeliverBatch(int status);
  void DeliverError(int number, const char* syscall);

  int descriptor_ = -1;
  Poller* poller_ = nullptr;
  ReceiveArena arena_;
  unsigned int count_max_ = 0;
  size_t bytes_max_ = 0;
  Napi::FunctionReference on_messages_;
  Napi::FunctionReference on_error_;
};

}  // namespace holdfast
