#include "receive_arena.h"

#include <cerrno>
#include <new>

namespace holdfast {

namespace {

bool SetBytes(napi_env env, napi_value object, const char* key, const void* data, size_t length) {
  napi_value buffer;
  return napi_create_buffer_copy(env, length, data, nullptr, &buffer) == napi_ok &&
         napi_set_named_property(env, object, key, buffer) == napi_ok;
}

}  // namespace

bool ReceiveArena::Reserve(size_t count_max, size_t bytes_max) {
  if (count_max <= count_ && bytes_max <= bytes_) return true;
  count_ = 0;
  bytes_ = 0;
  data_.reset(new (std::nothrow) uint8_t[count_max * bytes_max]);
  slots_.reset(new (std::nothrow) Slot[count_max]);
  headers_.reset(new (std::nothrow) mmsghdr[count_max]);
  if (!data_ || !slots_ || !headers_) return false;
  count_ = count_max;
  bytes_ = bytes_max;
  return true;
}

int ReceiveArena::Receive(int descriptor, unsigned int count_max, size_t bytes_max) {
  if (!Reserve(count_max, bytes_max)) {
    errno = ENOMEM;
    return -1;
  }
  for (unsigned int i = 0; i < count_max; i++) {
    Slot& slot = slots_[i];
    slot.part = {data_.get() + i * bytes_, bytes_max};
    headers_[i] = {};
    msghdr& header = headers_[i].msg_hdr;
    header.msg_name = &slot.from;
    header.msg_namelen = sizeof(slot.from);
    header.msg_iov = &slot.part;
    header.msg_iovlen = 1;
    header.msg_control = slot.control;
    header.msg_controllen = sizeof(slot.control);
  }
  int received;
  do {
    received = recvmmsg(descriptor, headers_.get(), count_max, MSG_DONTWAIT, nullptr);
  } while (received < 0 && errno == EINTR);
  return received;
}

napi_value ReceiveArena::ToArray(napi_env env, int count) const {
  napi_value array;
  if (napi_create_array_with_length(env, static_cast<size_t>(count), &array) != napi_ok) return nullptr;
  for (int i = 0; i < count; i++) {
    napi_value message = ToObject(env, i);
    if (message == nullptr || napi_set_element(env, array, static_cast<uint32_t>(i), message) != napi_ok) return nullptr;
  }
  return array;
}

napi_value ReceiveArena::ToObject(napi_env env, int index) const {
  const mmsghdr& received = headers_[index];
  const Slot& slot = slots_[index];
  // An unnamed unix sender has a length of 0; some families report more than was written.
  size_t from_length = received.msg_hdr.msg_namelen;
  if (from_length > sizeof(slot.from)) from_length = sizeof(slot.from);
  napi_value object;
  napi_value flags;
  if (napi_create_object(env, &object) != napi_ok ||
      !SetBytes(env, object, "data", slot.part.iov_base, received.msg_len) ||
      !SetBytes(env, object, "from", &slot.from, from_length) ||
      !SetBytes(env, object, "control", slot.control, received.msg_hdr.msg_controllen) ||
      napi_create_int32(env, received.msg_hdr.msg_flags, &flags) != napi_ok ||
      napi_set_named_property(env, object, "flags", flags) != napi_ok) {
    return nullptr;
  }
  return object;
}

}  // namespace holdfast
