#include "process.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <string>

#include "arguments.h"
#include "errors.h"

namespace holdfast {

Napi::Value ThreadId(const Napi::CallbackInfo& info) {
  // By number: glibc has a gettid() only since 2.30.
  return Napi::Number::New(info.Env(), static_cast<double>(syscall(SYS_gettid)));
}

Napi::Value SetRealtime(const Napi::CallbackInfo& info) {
  int64_t priority = 0;
  if (!ReadInteger(info, 0, "priority", 1, 99, &priority)) return info.Env().Undefined();
  sched_param parameters{};
  parameters.sched_priority = static_cast<int>(priority);
  // Process id 0 is the calling thread, in spite of its name. Without RESET_ON_FORK every child would run with it.
  if (sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &parameters) != 0) {
    ThrowErrno(info.Env(), errno, "sched_setscheduler");
  }
  return info.Env().Undefined();
}

Napi::Value EnterNetworkNamespace(const Napi::CallbackInfo& info) {
  std::string path;
  if (!ReadString(info, 0, "path", &path)) return info.Env().Undefined();
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    ThrowErrno(info.Env(), errno, "open");
    return info.Env().Undefined();
  }
  const int error = setns(descriptor, CLONE_NEWNET) == 0 ? 0 : errno;
  close(descriptor);
  if (error != 0) ThrowErrno(info.Env(), error, "setns");
  return info.Env().Undefined();
}

Napi::Value DropAmbientCapabilities(const Napi::CallbackInfo& info) {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) != 0) ThrowErrno(info.Env(), errno, "prctl");
  return info.Env().Undefined();
}

Napi::Value MakeFifo(const Napi::CallbackInfo& info) {
  std::string path;
  int64_t mode = 0;
  if (!ReadString(info, 0, "path", &path)) return info.Env().Undefined();
  if (!ReadInteger(info, 1, "mode", 0, 0777, &mode)) return info.Env().Undefined();
  if (mkfifo(path.c_str(), static_cast<mode_t>(mode)) != 0) ThrowErrno(info.Env(), errno, "mkfifo");
  return info.Env().Undefined();
}

Napi::Value LockFile(const Napi::CallbackInfo& info) {
  int64_t descriptor = 0;
  if (!ReadInteger(info, 0, "descriptor", 0, INT_MAX, &descriptor)) return info.Env().Undefined();
  int status;
  do {
    status = flock(static_cast<int>(descriptor), LOCK_EX | LOCK_NB);
  } while (status != 0 && errno == EINTR);
  if (status != 0 && errno != EWOULDBLOCK) {
    ThrowErrno(info.Env(), errno, "flock");
    return info.Env().Undefined();
  }
  return Napi::Boolean::New(info.Env(), status == 0);
}

}  // namespace holdfast
