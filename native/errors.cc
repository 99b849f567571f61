#include "errors.h"

#include <cstdio>
#include <cstring>

namespace holdfast {

#define NAME(symbol) {symbol, #symbol}
const ErrnoName kErrnoNames[] = {
    NAME(EPERM),        NAME(ENOENT),          NAME(ESRCH),         NAME(EINTR),        NAME(EIO),
    NAME(ENXIO),        NAME(E2BIG),           NAME(EBADF),         NAME(ECHILD),       NAME(EAGAIN),
    NAME(ENOMEM),       NAME(EACCES),          NAME(EFAULT),        NAME(EBUSY),        NAME(EEXIST),
    NAME(EXDEV),        NAME(ENODEV),          NAME(ENOTDIR),       NAME(EISDIR),       NAME(EINVAL),
    NAME(ENFILE),       NAME(EMFILE),          NAME(ENOTTY),        NAME(EFBIG),        NAME(ENOSPC),
    NAME(ESPIPE),       NAME(EROFS),           NAME(EPIPE),         NAME(EDOM),         NAME(ERANGE),
    NAME(EDEADLK),      NAME(ENAMETOOLONG),    NAME(ENOLCK),        NAME(ENOSYS),       NAME(ENOTEMPTY),
    NAME(ELOOP),        NAME(ENOMSG),          NAME(ENODATA),       NAME(ETIME),        NAME(ENONET),
    NAME(ENOLINK),      NAME(EPROTO),          NAME(EBADMSG),       NAME(EOVERFLOW),    NAME(EILSEQ),
    NAME(ENOTSOCK),     NAME(EDESTADDRREQ),    NAME(EMSGSIZE),      NAME(EPROTOTYPE),   NAME(ENOPROTOOPT),
    NAME(EPROTONOSUPPORT), NAME(ESOCKTNOSUPPORT), NAME(EOPNOTSUPP), NAME(EPFNOSUPPORT), NAME(EAFNOSUPPORT),
    NAME(EADDRINUSE),   NAME(EADDRNOTAVAIL),   NAME(ENETDOWN),      NAME(ENETUNREACH),  NAME(ENETRESET),
    NAME(ECONNABORTED), NAME(ECONNRESET),      NAME(ENOBUFS),       NAME(EISCONN),      NAME(ENOTCONN),
    NAME(ESHUTDOWN),    NAME(ETIMEDOUT),       NAME(ECONNREFUSED),  NAME(EHOSTDOWN),    NAME(EHOSTUNREACH),
    NAME(EALREADY),     NAME(EINPROGRESS),     NAME(ESTALE),        NAME(EDQUOT),       NAME(ECANCELED),
};
#undef NAME
const size_t kErrnoCount = sizeof(kErrnoNames) / sizeof(kErrnoNames[0]);

namespace {

const char* NameOf(int number) {
  for (const ErrnoName& entry : kErrnoNames) {
    if (entry.number == number) return entry.name;
  }
  return nullptr;
}

bool SetString(napi_env env, napi_value object, const char* key, const char* text) {
  napi_value value;
  return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok &&
         napi_set_named_property(env, object, key, value) == napi_ok;
}

}  // namespace

napi_value MakeErrnoError(napi_env env, int number, const char* syscall) {
  char unnamed[16];
  const char* name = NameOf(number);
  if (name == nullptr) {
    snprintf(unnamed, sizeof(unnamed), "E%d", number);
    name = unnamed;
  }
  char reason[128];
  char text[256];
  // The GNU strerror_r: returns the text, in `reason` or elsewhere.
  snprintf(text, sizeof(text), "%s: %s: %s", syscall, name, strerror_r(number, reason, sizeof(reason)));

  napi_value message;
  napi_value error;
  napi_value value;
  if (napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &message) != napi_ok ||
      napi_create_error(env, nullptr, message, &error) != napi_ok || !SetString(env, error, "code", name) ||
      !SetString(env, error, "syscall", syscall) || napi_create_int32(env, number, &value) != napi_ok ||
      napi_set_named_property(env, error, "errno", value) != napi_ok) {
    return nullptr;
  }
  return error;
}

void ThrowErrno(napi_env env, int number, const char* syscall) {
  napi_value error = MakeErrnoError(env, number, syscall);
  if (error != nullptr) napi_throw(env, error);
}

}  // namespace holdfast
