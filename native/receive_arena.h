#pragma once

#include <napi.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <memory>

namespace holdfast {

// The memory into which recvmmsg(2) writes a batch; kept between calls, since a socket receives with the same limits
// all its life. Messages are copied out of it into Buffers that JavaScript owns.
class ReceiveArena {
 public:
  static constexpr int64_t kCountMax = 1024;
  static constexpr int64_t kBytesMax = 1 << 20;
  static constexpr int64_t kTotalMax = 64 << 20;

  ReceiveArena() = default;
  ReceiveArena(const ReceiveArena&) = delete;
  ReceiveArena& operator=(const ReceiveArena&) = delete;

  // Non-blocking. Returns the number of messages received, or -1 with errno set (EAGAIN: none waits).
  int Receive(int descriptor, unsigned int count_max, size_t bytes_max);

  // An array of the first `count` messages as { data, from, control, flags }; nullptr where the environment is ending.
  napi_value ToArray(napi_env env, int count) const;

 private:
  // The kernel's ancillary data of one packet that this product asks for takes less than 100 bytes.
  static constexpr size_t kControlBytes = 512;
  struct Slot {
    sockaddr_storage from;
    iovec part;
    alignas(cmsghdr) uint8_t control[kControlBytes];
  };

  bool Reserve(size_t count_max, size_t bytes_max);
  napi_value ToObject(napi_env env, int index) const;

  size_t count_ = 0;
  size_t bytes_ = 0;
  std::unique_ptr<uint8_t[]> data_;
  std::unique_ptr<Slot[]> slots_;
  std::unique_ptr<mmsghdr[]> headers_;
};

}  // namespace holdfast
