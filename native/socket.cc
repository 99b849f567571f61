#include "socket.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <climits>
#include <vector>

#include "arguments.h"
#include "closing.h"
#include "errors.h"

namespace holdfast {

namespace {

constexpr int64_t kOptionBytesMax = 1 << 20;

int64_t MonotonicMs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1000 + now.tv_nsec / 1000000;
}

bool ReadLimits(const Napi::CallbackInfo& info, unsigned int* count_max, size_t* bytes_max) {
  int64_t count = 0;
  int64_t bytes = 0;
  if (!ReadInteger(info, 0, "countMax", 1, ReceiveArena::kCountMax, &count) ||
      !ReadInteger(info, 1, "bytesMax", 1, ReceiveArena::kBytesMax, &bytes)) {
    return false;
  }
  if (count * bytes > ReceiveArena::kTotalMax) {
    Napi::RangeError::New(info.Env(), "countMax * bytesMax must not exceed 64 MiB").ThrowAsJavaScriptException();
    return false;
  }
  *count_max = static_cast<unsigned int>(count);
  *bytes_max = static_cast<size_t>(bytes);
  return true;
}

}  // namespace

void Socket::Define(Napi::Env env, Environment& environment) {
  Napi::Function constructor = DefineClass(
      env, "NativeSocket",
      {InstanceMethod<&Socket::Bind>("bind"), InstanceMethod<&Socket::Connect>("connect"),
       InstanceMethod<&Socket::SetOption>("setOption"), InstanceMethod<&Socket::GetOption>("getOption"),
       InstanceMethod<&Socket::AttachFilter>("attachFilter"),
       InstanceMethod<&Socket::Address>("address"), InstanceMethod<&Socket::Descriptor>("descriptor"),
       InstanceMethod<&Socket::Detach>("detach"), InstanceMethod<&Socket::Send>("send"),
       InstanceMethod<&Socket::Receive>("receive"), InstanceMethod<&Socket::WaitReadable>("waitReadable"),
       InstanceMethod<&Socket::StartReceiving>("startReceiving"),
       InstanceMethod<&Socket::StopReceiving>("stopReceiving"), InstanceMethod<&Socket::Close>("close")});
  environment.socket_constructor = Napi::Persistent(constructor);
}

Napi::Value Socket::Open(const Napi::CallbackInfo& info) {
  return Environment::Of(info.Env()).socket_constructor.New({info[0], info[1], info[2]});
}

Napi::Value Socket::OpenPair(const Napi::CallbackInfo& info) {
  int64_t domain = 0;
  int64_t type = 0;
  if (!ReadInteger(info, 0, "domain", 0, INT_MAX, &domain) || !ReadInteger(info, 1, "type", 0, INT_MAX, &type)) {
    return info.Env().Undefined();
  }
  int ends[2];
  if (socketpair(static_cast<int>(domain), static_cast<int>(type) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    ThrowErrno(info.Env(), errno, "socketpair");
    return info.Env().Undefined();
  }
  Napi::Array pair = Napi::Array::New(info.Env(), 2);
  pair.Set(0U, Wrap(info.Env(), ends[0]));
  pair.Set(1U, Wrap(info.Env(), ends[1]));
  return pair;
}

Napi::Value Socket::Adopt(const Napi::CallbackInfo& info) {
  int64_t given = 0;
  int64_t least = 0;
  if (!ReadInteger(info, 0, "descriptor", 0, INT_MAX, &given) ||
      (!info[1].IsUndefined() && !ReadInteger(info, 1, "least", 0, INT_MAX, &least))) {
    return info.Env().Undefined();
  }
  int own = fcntl(static_cast<int>(given), F_DUPFD_CLOEXEC, static_cast<int>(least));
  // Beyond RLIMIT_NOFILE, or nothing free up there.
  if (own < 0 && least > 0 && (errno == EINVAL || errno == EMFILE)) {
    own = fcntl(static_cast<int>(given), F_DUPFD_CLOEXEC, 0);
  }
  if (own < 0 || fcntl(own, F_SETFL, O_NONBLOCK) != 0) {
    ThrowErrno(info.Env(), errno, "fcntl");
    if (own >= 0) close(own);
    return info.Env().Undefined();
  }
  return Wrap(info.Env(), own);
}

Napi::Value Socket::Wrap(Napi::Env env, int descriptor) {
  return Environment::Of(env).socket_constructor.New({Napi::Number::New(env, descriptor)});
}

Socket::Socket(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Socket>(info), Resource(Environment::Of(info.Env())) {
  if (info.Length() == 1) {
    // From Wrap: an open descriptor that is ours from here.
    descriptor_ = info[0].As<Napi::Number>().Int32Value();
    return;
  }
  int64_t domain = 0;
  int64_t type = 0;
  int64_t protocol = 0;
  if (!ReadInteger(info, 0, "domain", 0, INT_MAX, &domain) || !ReadInteger(info, 1, "type", 0, INT_MAX, &type) ||
      !ReadInteger(info, 2, "protocol", 0, INT_MAX, &protocol)) {
    return;
  }
  descriptor_ = socket(static_cast<int>(domain), static_cast<int>(type) | SOCK_CLOEXEC | SOCK_NONBLOCK,
                       static_cast<int>(protocol));
  if (descriptor_ < 0) ThrowErrno(info.Env(), errno, "socket");
}

Socket::~Socket() { Release(); }

void Socket::Release() {
  StopPolling();
  if (descriptor_ < 0) return;
  // Linux frees the descriptor also when close(2) reports EINTR or EIO: never call it twice.
  CloseWithoutWaiting(descriptor_);
  descriptor_ = -1;
}

void Socket::StopPolling() {
  if (poller_ == nullptr) return;
  poller_->Close();
  poller_ = nullptr;
  on_messages_.Reset();
  on_error_.Reset();
  Unref();
}

bool Socket::IsOpen(const Napi::CallbackInfo& info, const char* syscall) const {
  if (descriptor_ >= 0) return true;
  ThrowErrno(info.Env(), EBADF, syscall);
  return false;
}

Napi::Value Socket::Bind(const Napi::CallbackInfo& info) {
  Bytes address;
  if (!IsOpen(info, "bind") || !ReadBytes(info, 0, "address", &address)) return info.Env().Undefined();
  if (bind(descriptor_, reinterpret_cast<const sockaddr*>(address.data), static_cast<socklen_t>(address.length)) != 0) {
    ThrowErrno(info.Env(), errno, "bind");
  }
  return info.Env().Undefined();
}

Napi::Value Socket::Connect(const Napi::CallbackInfo& info) {
  Bytes address;
  if (!IsOpen(info, "connect") || !ReadBytes(info, 0, "address", &address)) return info.Env().Undefined();
  if (connect(descriptor_, reinterpret_cast<const sockaddr*>(address.data), static_cast<socklen_t>(address.length)) !=
      0) {
    ThrowErrno(info.Env(), errno, "connect");
  }
  return info.Env().Undefined();
}

Napi::Value Socket::SetOption(const Napi::CallbackInfo& info) {
  int64_t level = 0;
  int64_t name = 0;
  Bytes value;
  if (!IsOpen(info, "setsockopt") || !ReadInteger(info, 0, "level", 0, INT_MAX, &level) ||
      !ReadInteger(info, 1, "name", 0, INT_MAX, &name) || !ReadBytes(info, 2, "value", &value)) {
    return info.Env().Undefined();
  }
  if (setsockopt(descriptor_, static_cast<int>(level), static_cast<int>(name), value.data,
                 static_cast<socklen_t>(value.length)) != 0) {
    ThrowErrno(info.Env(), errno, "setsockopt");
  }
  return info.Env().Undefined();
}

Napi::Value Socket::GetOption(const Napi::CallbackInfo& info) {
  int64_t level = 0;
  int64_t name = 0;
  int64_t length_max = 0;
  if (!IsOpen(info, "getsockopt") || !ReadInteger(info, 0, "level", 0, INT_MAX, &level) ||
      !ReadInteger(info, 1, "name", 0, INT_MAX, &name) ||
      !ReadInteger(info, 2, "lengthMax", 0, kOptionBytesMax, &length_max)) {
    return info.Env().Undefined();
  }
  std::vector<uint8_t> value(static_cast<size_t>(length_max));
  socklen_t length = static_cast<socklen_t>(length_max);
  if (getsockopt(descriptor_, static_cast<int>(level), static_cast<int>(name), value.data(), &length) != 0) {
    ThrowErrno(info.Env(), errno, "getsockopt");
    return info.Env().Undefined();
  }
  // Netlink reports the length it wants, also beyond what was given.
  if (length > value.size()) length = static_cast<socklen_t>(value.size());
  return Napi::Buffer<uint8_t>::Copy(info.Env(), value.data(), length);
}

// An option of its own because struct sock_fprog holds a pointer.
Napi::Value Socket::AttachFilter(const Napi::CallbackInfo& info) {
  Bytes program;
  if (!IsOpen(info, "setsockopt") || !ReadBytes(info, 0, "program", &program)) return info.Env().Undefined();
  if (program.length % sizeof(sock_filter) != 0 || program.length > sizeof(sock_filter) * BPF_MAXINSNS) {
    Napi::RangeError::New(info.Env(), "program must be whole instructions, at most BPF_MAXINSNS")
        .ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  sock_fprog filter{};
  filter.len = static_cast<unsigned short>(program.length / sizeof(sock_filter));
  filter.filter = reinterpret_cast<sock_filter*>(const_cast<uint8_t*>(program.data));
  if (setsockopt(descriptor_, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) != 0) {
    ThrowErrno(info.Env(), errno, "setsockopt");
  }
  return info.Env().Undefined();
}

Napi::Value Socket::Address(const Napi::CallbackInfo& info) {
  if (!IsOpen(info, "getsockname")) return info.Env().Undefined();
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
    ThrowErrno(info.Env(), errno, "getsockname");
    return info.Env().Undefined();
  }
  if (length > sizeof(address)) length = sizeof(address);
  return Napi::Buffer<uint8_t>::Copy(info.Env(), reinterpret_cast<uint8_t*>(&address), length);
}

Napi::Value Socket::Descriptor(const Napi::CallbackInfo& info) {
  if (!IsOpen(info, "descriptor")) return info.Env().Undefined();
  return Napi::Number::New(info.Env(), descriptor_);
}

// From here the descriptor is the caller's to close.
Napi::Value Socket::Detach(const Napi::CallbackInfo& info) {
  if (!IsOpen(info, "detach")) return info.Env().Undefined();
  StopPolling();
  const int descriptor = descriptor_;
  descriptor_ = -1;
  return Napi::Number::New(info.Env(), descriptor);
}

Napi::Value Socket::Send(const Napi::CallbackInfo& info) {
  Bytes data;
  Bytes to;
  int64_t offset = 0;
  int64_t length = 0;
  if (!IsOpen(info, "sendmsg") || !ReadBytes(info, 0, "data", &data) ||
      !ReadInteger(info, 1, "offset", 0, static_cast<int64_t>(data.length), &offset) ||
      !ReadInteger(info, 2, "length", 0, static_cast<int64_t>(data.length) - offset, &length) ||
      (!info[3].IsUndefined() && !ReadBytes(info, 3, "to", &to))) {
    return info.Env().Undefined();
  }
  iovec part{const_cast<uint8_t*>(data.data) + offset, static_cast<size_t>(length)};
  msghdr message{};
  message.msg_name = const_cast<uint8_t*>(to.data);
  message.msg_namelen = static_cast<socklen_t>(to.length);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  ssize_t sent;
  do {
    sent = sendmsg(descriptor_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) {
    ThrowErrno(info.Env(), errno, "sendmsg");
    return info.Env().Undefined();
  }
  return Napi::Number::New(info.Env(), static_cast<double>(sent));
}

Napi::Value Socket::Receive(const Napi::CallbackInfo& info) {
  unsigned int count_max = 0;
  size_t bytes_max = 0;
  if (!IsOpen(info, "recvmmsg") || !ReadLimits(info, &count_max, &bytes_max)) return info.Env().Undefined();
  int received = arena_.Receive(descriptor_, count_max, bytes_max);
  if (received < 0 && errno != EAGAIN) {
    ThrowErrno(info.Env(), errno, "recvmmsg");
    return info.Env().Undefined();
  }
  napi_value messages = arena_.ToArray(info.Env(), received < 0 ? 0 : received);
  return messages == nullptr ? info.Env().Undefined() : Napi::Value(info.Env(), messages);
}

Napi::Value Socket::WaitReadable(const Napi::CallbackInfo& info) {
  int64_t timeout_ms = 0;
  if (!IsOpen(info, "poll") || !ReadInteger(info, 0, "timeoutMs", 0, INT_MAX, &timeout_ms)) {
    return info.Env().Undefined();
  }
  const int64_t deadline_ms = MonotonicMs() + timeout_ms;
  pollfd readable{descriptor_, POLLIN, 0};
  int ready = poll(&readable, 1, static_cast<int>(timeout_ms));
  while (ready < 0 && errno == EINTR) {
    const int64_t left_ms = deadline_ms - MonotonicMs();
    ready = poll(&readable, 1, left_ms > 0 ? static_cast<int>(left_ms) : 0);
  }
  if (ready < 0) {
    ThrowErrno(info.Env(), errno, "poll");
    return info.Env().Undefined();
  }
  return Napi::Boolean::New(info.Env(), ready > 0);
}

Napi::Value Socket::StartReceiving(const Napi::CallbackInfo& info) {
  Napi::Function on_messages;
  Napi::Function on_error;
  unsigned int count_max = 0;
  size_t bytes_max = 0;
  if (!IsOpen(info, "recvmmsg") || !ReadLimits(info, &count_max, &bytes_max) ||
      !ReadFunction(info, 2, "onMessages", &on_messages) || !ReadFunction(info, 3, "onError", &on_error)) {
    return info.Env().Undefined();
  }
  if (poller_ != nullptr) {
    ThrowErrno(info.Env(), EALREADY, "startReceiving");
    return info.Env().Undefined();
  }
  int error = 0;
  poller_ = Poller::Start(environment(), descriptor_, this, OnReadable, &error);
  if (poller_ == nullptr) {
    ThrowErrno(info.Env(), error, "uv_poll_start");
    return info.Env().Undefined();
  }
  count_max_ = count_max;
  bytes_max_ = bytes_max;
  on_messages_ = Napi::Persistent(on_messages);
  on_error_ = Napi::Persistent(on_error);
  // The loop knows this object from now on: it must not be collected before StopPolling.
  Ref();
  return info.Env().Undefined();
}

Napi::Value Socket::StopReceiving(const Napi::CallbackInfo& info) {
  StopPolling();
  return info.Env().Undefined();
}

Napi::Value Socket::Close(const Napi::CallbackInfo& info) {
  Release();
  return info.Env().Undefined();
}

void Socket::OnReadable(void* owner, int status) { static_cast<Socket*>(owner)->DeliverBatch(status); }

// One batch for each turn of the loop: epoll is level-triggered, so what is left comes with the next turn, and a flood
// on one socket cannot starve the others. After a callback `this` may be closed: nothing follows a call into JavaScript.
void Socket::DeliverBatch(int status) {
  Napi::HandleScope scope(Env());
  if (status != 0) {
    // libuv has stopped polling because of EPOLLERR: the socket has a pending error, for netlink ENOBUFS (messages
    // were lost), for a bound packet socket ENETDOWN. recvmmsg takes it from the socket; receiving goes on.
    const int error = poller_->Resume();
    if (error != 0) return DeliverError(error, "uv_poll_start");
  }
  const int received = arena_.Receive(descriptor_, count_max_, bytes_max_);
  if (received < 0) {
    if (errno == EAGAIN) return;
    return DeliverError(errno, "recvmmsg");
  }
  napi_value messages = arena_.ToArray(Env(), received);
  if (messages != nullptr) environment().CallBack(on_messages_.Value(), 1, &messages);
}

void Socket::DeliverError(int number, const char* syscall) {
  napi_value error = MakeErrnoError(Env(), number, syscall);
  if (error != nullptr) environment().CallBack(on_error_.Value(), 1, &error);
}

}  // namespace holdfast
