#include "closing.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>

namespace holdfast {

namespace {

bool IsPacketSocket(int descriptor) {
  int domain = 0;
  socklen_t length = sizeof domain;
  return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0 && domain == AF_PACKET;
}

// Descriptors that wait for the one thread, which serves all of the process's threads and lives as long as it.
class Closer {
 public:
  // Never destroyed: the thread may run until the process ends, and the kernel closes what is left then.
  static Closer& Get() {
    static Closer* const closer = new Closer();
    return *closer;
  }

  // False where the thread cannot be started.
  bool Add(int descriptor) {
    pthread_mutex_lock(&mutex_);
    if (!started_) started_ = Start();
    if (started_) {
      waiting_.push_back(descriptor);
      pthread_cond_signal(&added_);
    }
    const bool taken = started_;
    pthread_mutex_unlock(&mutex_);
    return taken;
  }

 private:
  bool Start() {
    // The addon is unloaded with the last environment that has it (a worker that dies, where the main thread never loaded
    // it), and the thread runs on in it: so it stays.
    Dl_info self{};
    if (dladdr(reinterpret_cast<void*>(&Closer::Run), &self) == 0) return false;
    if (dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_NODELETE) == nullptr) return false;
    pthread_t thread;
    if (pthread_create(&thread, nullptr, Run, this) != 0) return false;
    pthread_detach(thread);
    return true;
  }

  static void* Run(void* self) {
    static_cast<Closer*>(self)->CloseForEver();
    return nullptr;
  }

  [[noreturn]] void CloseForEver() {
    for (;;) {
      pthread_mutex_lock(&mutex_);
      while (waiting_.empty()) pthread_cond_wait(&added_, &mutex_);
      const int descriptor = waiting_.front();
      waiting_.pop_front();
      pthread_mutex_unlock(&mutex_);
      close(descriptor);
    }
  }

  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t added_ = PTHREAD_COND_INITIALIZER;
  std::deque<int> waiting_;
  bool started_ = false;
};

}  // namespace

void CloseWithoutWaiting(int descriptor) {
  if (IsPacketSocket(descriptor) && Closer::Get().Add(descriptor)) return;
  close(descriptor);
}

}  // namespace holdfast
