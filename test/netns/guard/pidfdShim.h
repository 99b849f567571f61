/*
 * For a guard under a valgrind that does not know pidfd_open(2) and pidfd_send_signal(2), as Debian's: included before
 * native/guard_ward.c. A child that looks every millisecond whether the process has ended stands for the descriptor.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int shim_pid_of[64];

static bool shim_lives(int pid) { return kill(pid, 0) == 0 || errno == EPERM; }

static long shim_open(int pid) {
  int ends[2];
  if (!shim_lives(pid)) return -1;
  if (pipe(ends) != 0) return -1;
  if (fork() == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int descriptor = 0; descriptor < 64; descriptor++)
      if (descriptor != ends[1]) close(descriptor);
    while (shim_lives(pid)) usleep(1000);
    (void)!write(ends[1], "", 1);
    _exit(0);
  }
  close(ends[1]);
  shim_pid_of[ends[0]] = pid;
  return ends[0];
}

#define syscall(number, first, second, ...) \
  ((number) == SYS_pidfd_open ? shim_open((int)(first)) : (long)kill(shim_pid_of[(int)(first)], (int)(second)))
