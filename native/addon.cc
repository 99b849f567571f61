// What Node loads: one binary for every Node from 20 on and for every thread (src/io/addon.types.ts is its surface).
// It carries both native halves, raw and packet sockets (raw-socket) and the transport of netlink (netlink-ipvs), since
// they are one class: a socket that moves bytes. What tells them apart is TypeScript (vrrpSockets.ts, netlinkSocket.ts).
#include <napi.h>

#include "constants.h"
#include "environment.h"
#include "process.h"
#include "socket.h"
#include "timer.h"

namespace {

Napi::Object Init(Napi::Env env, Napi::Object exports) {
  using holdfast::Environment;
  if (!Environment::Create(env)) return exports;
  Environment& environment = Environment::Of(env);
  holdfast::Socket::Define(env, environment);
  holdfast::Timer::Define(env, environment);
  const auto define = [&](const char* name, Napi::Value (*function)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, function, name));
  };
  define("openSocket", holdfast::Socket::Open);
  define("openSocketPair", holdfast::Socket::OpenPair);
  define("adoptSocket", holdfast::Socket::Adopt);
  define("openTimer", holdfast::Timer::Open);
  define("monotonicUs", holdfast::MonotonicUs);
  define("realtimeUs", holdfast::RealtimeUs);
  define("threadId", holdfast::ThreadId);
  define("setRealtime", holdfast::SetRealtime);
  define("enterNetworkNamespace", holdfast::EnterNetworkNamespace);
  define("dropAmbientCapabilities", holdfast::DropAmbientCapabilities);
  define("makeFifo", holdfast::MakeFifo);
  define("lockFile", holdfast::LockFile);
  exports.Set("constants", holdfast::MakeConstants(env));
  return exports;
}

}  // namespace

NODE_API_MODULE(holdfast, Init)
