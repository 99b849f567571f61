/*
 * holdfast-guard: executes the last will of a holdfast daemon that died or hangs.
 *
 *   holdfast-guard --socket FD --ward PID --lock FILE
 *
 * The daemon's VRRP loop gives it ready-made bytes (native/guard_protocol.h): netlink requests that delete its virtual
 * addresses, then adverts of priority 0. When the daemon ends without a goodbye, or its heartbeats stop, the guard kills
 * it, waits until its writing thread has begun to end or it is dead (else it could refresh an address once more), sends the
 * requests, sends the packets twice, says so and ends. Until then it only listens. It opens and allocates nothing when it
 * fires, and parses one line of the kernel's.
 *
 * Here are its start, its loop and the order of firing; guard_will.c has the bytes, guard_ward.c the process.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "guard.h"
#include "guard_protocol.h"

enum {
  /* Between the two rounds of packets: two losses in a row are not one burst. */
  ROUND_PAUSE_US = 2000,
  PACKET_ROUNDS = 2,
  REALTIME_PRIORITY = 60,
};

static _Alignas(8) unsigned char frame_buffer[GUARD_FRAME_MAX];

static int daemon_socket = -1;
/* Monotonic milliseconds; the instant up to which a heartbeat may be missing. */
static int64_t deadline_ms;
static bool late_told;

int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void say(const char *level, const char *format, ...) {
  char line[512];
  int length = snprintf(line, sizeof line, "%sholdfast-guard: ", level);
  va_list arguments;
  va_start(arguments, format);
  int more = vsnprintf(line + length, sizeof line - (size_t)length - 1, format, arguments);
  va_end(arguments);
  if (more < 0) return;
  length += more;
  if (length > (int)sizeof line - 2) length = (int)sizeof line - 2;
  line[length] = '\n';
  ssize_t ignored = write(STDERR_FILENO, line, (size_t)length + 1);
  (void)ignored;
}

static void answer(uint16_t type, uint32_t sequence, const uint32_t *words, uint32_t count) {
  struct {
    struct guard_frame frame;
    uint32_t words[2];
  } message = {.frame = {GUARD_MAGIC, GUARD_VERSION, type, sequence, count * 4}};
  for (uint32_t at = 0; at < count; at++) message.words[at] = words[at];
  /* A daemon that does not read is one that hangs: that is found by its heartbeats, so never wait for it. */
  send(daemon_socket, &message, sizeof message.frame + count * 4, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void refuse(uint32_t sequence, uint32_t reason) {
  will_give_up();
  answer(GUARD_REFUSED, sequence, &reason, 1);
}

static void beat(void) {
  deadline_ms = now_ms() + will_limit_ms();
  late_told = false;
}

static void confirm(uint32_t sequence) {
  beat();
  answer(GUARD_CONFIRMED, sequence, NULL, 0);
}

static void on_ward(const struct guard_frame *frame, const unsigned char *payload) {
  uint32_t pid;
  if (frame->length != sizeof pid) return refuse(frame->sequence, GUARD_REFUSED_FRAME);
  memcpy(&pid, payload, sizeof pid);
  if (!ward_watch(pid)) return refuse(frame->sequence, GUARD_REFUSED_WARD);
  confirm(frame->sequence);
}

static void on_writer(const struct guard_frame *frame, const unsigned char *payload) {
  uint32_t tid;
  if (frame->length != sizeof tid) return refuse(frame->sequence, GUARD_REFUSED_FRAME);
  memcpy(&tid, payload, sizeof tid);
  ward_set_writer(tid);
}

static void on_extend(const struct guard_frame *frame, const unsigned char *payload) {
  uint32_t ms;
  if (frame->length != sizeof ms) return refuse(frame->sequence, GUARD_REFUSED_FRAME);
  memcpy(&ms, payload, sizeof ms);
  if (ms > GUARD_LIMIT_MS_MAX) return refuse(frame->sequence, GUARD_REFUSED_SIZE);
  int64_t until = now_ms() + ms;
  if (until > deadline_ms) deadline_ms = until;
}

/* False when the daemon said goodbye. */
static bool on_frame(size_t bytes) {
  struct guard_frame frame;
  const unsigned char *payload = frame_buffer + sizeof frame;
  if (bytes < sizeof frame) return refuse(0, GUARD_REFUSED_FRAME), true;
  memcpy(&frame, frame_buffer, sizeof frame);
  bool known = frame.magic == GUARD_MAGIC && frame.version == GUARD_VERSION && frame.length == bytes - sizeof frame;
  if (!known) return refuse(frame.sequence, GUARD_REFUSED_FRAME), true;
  uint32_t refusal = 0;
  switch (frame.type) {
    case GUARD_BEGIN: refusal = will_begin(payload, frame.length); break;
    case GUARD_DATA: refusal = will_data(payload, frame.length); break;
    case GUARD_COMMIT:
      refusal = will_commit();
      if (refusal == 0) confirm(frame.sequence);
      break;
    case GUARD_BEAT: beat(); break;
    case GUARD_EXTEND: on_extend(&frame, payload); break;
    case GUARD_WARD: on_ward(&frame, payload); break;
    case GUARD_WRITER: on_writer(&frame, payload); break;
    case GUARD_GOODBYE: return false;
    default: refusal = GUARD_REFUSED_FRAME; break;
  }
  if (refusal != 0) refuse(frame.sequence, refusal);
  return true;
}

static void fire(const char *cause) {
  int64_t begun = now_ms();
  bool dead = ward_kill();
  int64_t dead_after = now_ms() - begun;
  unsigned refused = will_send(false);
  unsigned unsent = 0;
  for (int round = 0; round < PACKET_ROUNDS; round++) {
    if (round > 0) usleep(ROUND_PAUSE_US);
    unsent += will_send(true);
  }
  if (!will_is_empty() || !dead) {
    say("<3>",
        "the last will of process %d was executed because %s: dead after %" PRId64 " ms, all done after %" PRId64
        " ms, %u requests and %u packets were not taken",
        (int)ward_pid(), cause, dead_after, now_ms() - begun, refused, unsent);
  }
}

/* What a late guard saw is no evidence: it gets one more period. True when the daemon is to be ended. */
static bool heartbeat_missing(int64_t wanted_wake_ms) {
  int64_t now = now_ms();
  if (will_limit_ms() == 0 || now < deadline_ms) return false;
  int64_t own_lateness = now - wanted_wake_ms;
  if (own_lateness > will_limit_ms() / 2) {
    deadline_ms = now + will_limit_ms();
    return false;
  }
  if (!will_is_empty()) return true;
  if (!late_told) {
    uint32_t late = (uint32_t)(now - deadline_ms + will_limit_ms());
    answer(GUARD_LATE, 0, &late, 1);
    say("<4>", "no heartbeat of process %d for %u ms; it holds nothing, so nothing is done", (int)ward_pid(), late);
    late_told = true;
  }
  deadline_ms = now + will_limit_ms();
  return false;
}

enum frames_end { FRAMES_NONE_LEFT, FRAMES_GOODBYE, FRAMES_CLOSED };

static enum frames_end read_frames(void) {
  for (;;) {
    ssize_t bytes = recv(daemon_socket, frame_buffer, sizeof frame_buffer, MSG_DONTWAIT | MSG_TRUNC);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0 && errno == EAGAIN) return FRAMES_NONE_LEFT;
    if (bytes <= 0) return FRAMES_CLOSED;
    if ((size_t)bytes > sizeof frame_buffer) {
      refuse(0, GUARD_REFUSED_SIZE);
    } else if (!on_frame((size_t)bytes)) {
      return FRAMES_GOODBYE;
    }
  }
}

static int watch(void) {
  for (;;) {
    int64_t wake_ms = will_limit_ms() == 0 ? INT64_MAX : deadline_ms;
    int64_t left = will_limit_ms() == 0 ? -1 : wake_ms - now_ms();
    struct pollfd ends[2] = {{daemon_socket, POLLIN, 0}, {ward_descriptor(), POLLIN, 0}};
    int ready = poll(ends, 2, will_limit_ms() == 0 ? -1 : left > 0 ? (int)left : 0);
    if (ready < 0 && errno != EINTR) {
      say("<3>", "poll: %s", strerror(errno));
      return EXIT_SETUP;
    }
    /* Frames first: a goodbye, or a heartbeat that waits, counts before the end of the process and before the clock. */
    enum frames_end end = read_frames();
    /* A frame may have named another process. */
    ends[1].fd = ward_descriptor();
    if (end == FRAMES_GOODBYE) return EXIT_SUCCESS;
    if (end == FRAMES_CLOSED || poll(&ends[1], 1, 0) > 0) {
      fire(end == FRAMES_CLOSED ? "its connection ended without a goodbye" : "the process ended without a goodbye");
      return EXIT_SUCCESS;
    }
    if (heartbeat_missing(wake_ms)) {
      fire("its heartbeats stopped");
      return EXIT_SUCCESS;
    }
  }
}

int open_or_exit(int descriptor, const char *what) {
  if (descriptor >= 0) return descriptor;
  say("<3>", "%s: %s", what, strerror(errno));
  exit(EXIT_SETUP);
}

static bool is_own_fault(int number) {
  const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGSYS, SIGTRAP};
  for (size_t at = 0; at < sizeof faults / sizeof *faults; at++)
    if (faults[at] == number) return true;
  return false;
}

/*
 * Whatever is sent to all processes of a service is for the daemon: SIGTERM, after which it says goodbye, and no less the SIGABRT of
 * systemd's watchdog. A guard that it ends would leave the addresses. abort(3) ends this one all the same.
 */
static void ignore_signals(void) {
  for (int number = 1; number < NSIG; number++)
    if (!is_own_fault(number)) signal(number, SIG_IGN);
}

static void take_lock(const char *path) {
  int descriptor = open_or_exit(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640), path);
  int status;
  do {
    /* Waits: an older guard holds it until its daemon's addresses are gone. */
    status = flock(descriptor, LOCK_EX);
  } while (status != 0 && errno == EINTR);
  if (status != 0) open_or_exit(-1, path);
}

static uint32_t harden(void) {
  uint32_t flags = 0;
  if (mlockall(MCL_CURRENT | MCL_FUTURE) == 0) flags |= GUARD_HELLO_LOCKED_IN_MEMORY;
  struct sched_param parameters = {.sched_priority = REALTIME_PRIORITY};
  if (sched_setscheduler(0, SCHED_RR, &parameters) == 0) flags |= GUARD_HELLO_REALTIME;
  /* No core and no ptrace by others of the same user while it holds privileged sockets. */
  prctl(PR_SET_DUMPABLE, 0);
  prctl(PR_SET_NAME, "holdfast-guard");
  return flags;
}

static long number(const char *text) {
  char *end;
  errno = 0;
  long value = strtol(text, &end, 10);
  return errno != 0 || *text == '\0' || *end != '\0' || value < 0 || value > INT32_MAX ? -1 : value;
}

int main(int count, char **words) {
  const char *lock = NULL;
  long socket_number = -1;
  long pid = -1;
  for (int at = 1; at + 1 < count; at += 2) {
    if (strcmp(words[at], "--socket") == 0) socket_number = number(words[at + 1]);
    if (strcmp(words[at], "--ward") == 0) pid = number(words[at + 1]);
    if (strcmp(words[at], "--lock") == 0) lock = words[at + 1];
  }
  if (count != 7 || socket_number < 0 || pid <= 0 || lock == NULL) {
    say("", "usage: holdfast-guard --socket FD --ward PID --lock FILE (it is started by holdfast)");
    return EXIT_USAGE;
  }
  ignore_signals();
  daemon_socket = (int)socket_number;
  fcntl(daemon_socket, F_SETFD, FD_CLOEXEC);
  if (!ward_watch((uint32_t)pid)) open_or_exit(-1, "pidfd_open of the daemon");
  will_open_sockets();
  take_lock(lock);
  const uint32_t hello[2] = {(uint32_t)getpid(), harden()};
  deadline_ms = now_ms();
  answer(GUARD_HELLO, 0, hello, 2);
  return watch();
}
