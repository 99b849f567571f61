/* The process that the guard watches: named, killed, and looked at until it cannot write an address any more. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guard.h"

enum {
  /* A process in the midst of a batch of addresses dies when the batch is done: hundreds of milliseconds were seen. */
  DEATH_WAIT_MS = 5000,
  /* The end of a process takes long: its packet sockets alone 8 to 24 ms each. So its thread is looked at this often. */
  WRITER_LOOK_MS = 1,
  /* Of the flags in /proc/PID/task/TID/stat (proc(5)): set when a thread begins to end, from where it never runs its program again. */
  PF_EXITING = 0x4,
};

static int ward_pidfd = -1;
static pid_t ward;
/* /proc/WARD/task/TID/stat of the thread that writes addresses; -1 where it is not known, and then the end of the process counts. */
static int writer_stat = -1;

static void forget_writer(void) {
  if (writer_stat >= 0) close(writer_stat);
  writer_stat = -1;
}

bool ward_watch(uint32_t pid) {
  int descriptor = pid == 0 || pid > INT32_MAX ? -1 : (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
  if (descriptor < 0) return false;
  if (ward_pidfd >= 0) close(ward_pidfd);
  ward_pidfd = descriptor;
  ward = (pid_t)pid;
  /* That of the other process. */
  forget_writer();
  return true;
}

void ward_set_writer(uint32_t tid) {
  char path[64];
  forget_writer();
  snprintf(path, sizeof path, "/proc/%d/task/%" PRIu32 "/stat", (int)ward, tid);
  writer_stat = open(path, O_RDONLY | O_CLOEXEC);
}

pid_t ward_pid(void) { return ward; }

int ward_descriptor(void) { return ward_pidfd; }

/* Whether the thread that writes addresses will never write again. A thread in the midst of a batch ends behind it. */
static bool writer_is_ending(void) {
  static char line[1024];
  unsigned flags;
  if (writer_stat < 0) return false;
  ssize_t length = pread(writer_stat, line, sizeof line - 1, 0);
  if (length < 0) return errno == ESRCH;
  line[length] = '\0';
  /* The name in parentheses may have anything in it; behind it: state, five numbers, flags. */
  const char *behind = strrchr(line, ')');
  return behind != NULL && sscanf(behind, ") %*c %*d %*d %*d %*d %*d %u", &flags) == 1 && (flags & PF_EXITING) != 0;
}

bool ward_kill(void) {
  struct pollfd end = {ward_pidfd, POLLIN, 0};
  int64_t until = now_ms() + DEATH_WAIT_MS;
  if (syscall(SYS_pidfd_send_signal, ward_pidfd, SIGKILL, NULL, 0) != 0 && errno != ESRCH) {
    say("<3>", "cannot kill process %d: %s; its addresses are deleted all the same", (int)ward, strerror(errno));
    return false;
  }
  for (;;) {
    if (writer_is_ending()) return true;
    int64_t left = until - now_ms();
    if (left > WRITER_LOOK_MS && writer_stat >= 0) left = WRITER_LOOK_MS;
    int ready = poll(&end, 1, left > 0 ? (int)left : 0);
    if (ready > 0) return true;
    if (left > 0 || (ready < 0 && errno == EINTR)) continue;
    say("<3>", "process %d does not end; its addresses are deleted all the same", (int)ward);
    return false;
  }
}
