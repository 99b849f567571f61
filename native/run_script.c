// holdfast-script: becomes another program, with less. The daemon starts it in a script's place; it gives up what a
// script must not have and then executes the script, so the process id, the pipes and the exit status are the script's.
//
//   holdfast-script PARENT UID GID GROUPS PROGRAM [ARGUMENT...]
//
// PARENT is the daemon's process id. UID and GID are numbers, or - to keep the daemon's; GROUPS is a list with commas, or -.
// Descriptor 3 is a pipe to the daemon: it closes when the script has been executed, and before that carries
// "STEP ERRNO\n" when something was refused. Exit status 127 then.
//
// Why a program and not code between the daemon's fork and exec: it runs alone in its process, so it may use all of C,
// and it is tested by itself. Node's own uid and gid options drop supplementary groups and pass ambient capabilities on.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define REPORT 3
#define GROUPS_MAX 1024

static void refuse(const char* step) {
  const int error = errno;
  dprintf(REPORT, "%s %d\n", step, error);
  _exit(127);
}

static unsigned long number(const char* text, const char* step) {
  char* end = NULL;
  errno = 0;
  const unsigned long value = strtoul(text, &end, 10);
  if (errno != 0 || end == text || *end != '\0' || value > INT_MAX) {
    errno = EINVAL;
    refuse(step);
  }
  return value;
}

static size_t group_list(char* text, gid_t* groups) {
  size_t count = 0;
  for (char* word = strtok(text, ","); word != NULL; word = strtok(NULL, ",")) {
    if (count == GROUPS_MAX) {
      errno = E2BIG;
      refuse("setgroups");
    }
    groups[count++] = (gid_t)number(word, "setgroups");
  }
  return count;
}

// The daemon may be protected from the out-of-memory killer; a script that leaks must not be. Raising needs no privilege.
static void lose_oom_protection(void) {
  const int file = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (file < 0) return;
  char text[16] = "";
  if (read(file, text, sizeof text - 1) > 0 && text[0] == '-') {
    // Not fatal: a script that is killed last is no reason not to run it.
    if (pwrite(file, "0", 1, 0) < 0) errno = 0;
  }
  close(file);
}

// Ambient capabilities survive an exec, inheritable ones meet those of the file. A process of user 0 is given everything
// by the exec itself (capabilities(7)): a script that was asked to run as root keeps root's power, as with keepalived.
static void drop_capabilities(void) {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0L, 0L, 0L) != 0) refuse("prctl");
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
  memset(sets, 0, sizeof sets);
  // Giving root's own away would only have the exec raise them again, and an exec that raises clears the parent-death signal.
  if (geteuid() == 0 && syscall(SYS_capget, &header, sets) != 0) refuse("capget");
  for (size_t i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) sets[i].inheritable = 0;
  if (syscall(SYS_capset, &header, sets) != 0) refuse("capset");
}

// The daemon's own descriptors close by themselves; one that was handed to the daemon without that mark must not go on.
// A kernel before 5.9 has no such call: then what the daemon was handed stays open, as it does for all its children.
static void close_others(void) { (void)syscall(SYS_close_range, REPORT + 1, UINT_MAX, 0); }

int main(int count, char** words) {
  if (count < 6) {
    errno = EINVAL;
    refuse("arguments");
  }
  if (fcntl(REPORT, F_SETFD, FD_CLOEXEC) != 0) return 127;  // Nobody to tell.
  close_others();
  lose_oom_protection();
  if (strcmp(words[4], "-") != 0) {
    gid_t groups[GROUPS_MAX];
    const size_t groups_count = group_list(words[4], groups);
    if (setgroups(groups_count, groups) != 0) refuse("setgroups");
  }
  if (strcmp(words[3], "-") != 0) {
    const gid_t gid = (gid_t)number(words[3], "setgid");
    if (setresgid(gid, gid, gid) != 0) refuse("setgid");
  }
  if (strcmp(words[2], "-") != 0) {
    const uid_t uid = (uid_t)number(words[2], "setuid");
    if (setresuid(uid, uid, uid) != 0) refuse("setuid");
  }
  drop_capabilities();
  // After the change of user, which clears it. Scripts are sent SIGTERM when their parent ends (keepalived.conf(5), SCRIPTS).
  if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0) refuse("prctl");
  // The parent may have ended before that.
  if (getppid() != (pid_t)number(words[1], "arguments")) _exit(127);
  execve(words[5], words + 5, environ);
  refuse("execve");
  return 127;
}
