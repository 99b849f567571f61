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
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guard_protocol.h"

enum {
  PROTOCOL_VRRP = 112,
  /* A process in the midst of a batch of addresses dies when the batch is done: hundreds of milliseconds were seen. */
  DEATH_WAIT_MS = 5000,
  /* Between the two rounds of packets: two losses in a row are not one burst. */
  ROUND_PAUSE_US = 2000,
  PACKET_ROUNDS = 2,
  /* The end of a process takes long: its packet sockets alone 8 to 24 ms each. So its thread is looked at this often. */
  WRITER_LOOK_MS = 1,
  /* Of the flags in /proc/PID/task/TID/stat (proc(5)): set when a thread begins to end, from where it never runs its program again. */
  PF_EXITING = 0x4,
  REALTIME_PRIORITY = 60,
  EXIT_USAGE = 2,
  EXIT_SETUP = 3,
};

struct will {
  uint32_t length;
  uint32_t limit_ms;
  _Alignas(4) unsigned char bytes[GUARD_WILL_MAX];
};

/* Two: one that counts and one that is being received. Static, so that they are locked in memory from the start. */
static struct will wills[2];
static struct will *current = &wills[0];
static struct will *incoming = &wills[1];
static bool receiving;
static uint32_t incoming_total;
static _Alignas(8) unsigned char frame_buffer[GUARD_FRAME_MAX];

static int daemon_socket = -1;
static int ward_pidfd = -1;
static pid_t ward;
/* /proc/WARD/task/TID/stat of the thread that writes addresses; -1 where it is not known, and then the end of the process counts. */
static int writer_stat = -1;
static int netlink_socket = -1;
static int ipv4_socket = -1;
static int ipv6_socket = -1;
/* Monotonic milliseconds; the instant up to which a heartbeat may be missing. */
static int64_t deadline_ms;
static bool late_told;

static int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* To standard error, which is the journal under systemd: <3> is its mark of an error (sd-daemon(3)). */
static void say(const char *level, const char *format, ...) {
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
  receiving = false;
  answer(GUARD_REFUSED, sequence, &reason, 1);
}

static uint32_t padded(uint32_t length) { return (length + 3U) & ~3U; }

/* The size of the item at `at` with its padding; 0 when it does not fit the will or its kind is unknown. */
static uint32_t item_size(const struct will *will, uint32_t at) {
  struct guard_item item;
  uint32_t left = will->length - at;
  if (left < sizeof item) return 0;
  memcpy(&item, will->bytes + at, sizeof item);
  if (item.kind < GUARD_ITEM_NETLINK || item.kind > GUARD_ITEM_IPV6) return 0;
  if (item.address_length > GUARD_ADDRESS_MAX || item.control_length > GUARD_CONTROL_MAX) return 0;
  if (item.data_length == 0 || item.data_length > GUARD_WILL_MAX) return 0;
  uint32_t size = padded((uint32_t)sizeof item + item.address_length + item.control_length + item.data_length);
  return size <= left ? size : 0;
}

static bool items_fit(const struct will *will) {
  for (uint32_t at = 0; at < will->length;) {
    uint32_t size = item_size(will, at);
    if (size == 0) return false;
    at += size;
  }
  return true;
}

static void beat(void) {
  deadline_ms = now_ms() + current->limit_ms;
  late_told = false;
}

static int open_pidfd(pid_t pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

static void on_begin(const struct guard_frame *frame, const unsigned char *payload) {
  uint32_t words[2];
  if (frame->length != sizeof words) return refuse(frame->sequence, GUARD_REFUSED_FRAME);
  memcpy(words, payload, sizeof words);
  if (words[0] > GUARD_WILL_MAX || words[1] > GUARD_LIMIT_MS_MAX) return refuse(frame->sequence, GUARD_REFUSED_SIZE);
  receiving = true;
  incoming->length = 0;
  incoming_total = words[0];
  incoming->limit_ms = words[1];
}

static void on_data(const struct guard_frame *frame, const unsigned char *payload) {
  if (!receiving) return refuse(frame->sequence, GUARD_REFUSED_ORDER);
  if (frame->length > incoming_total - incoming->length) return refuse(frame->sequence, GUARD_REFUSED_SIZE);
  memcpy(incoming->bytes + incoming->length, payload, frame->length);
  incoming->length += frame->length;
}

static void on_commit(const struct guard_frame *frame) {
  if (!receiving || incoming->length != incoming_total) return refuse(frame->sequence, GUARD_REFUSED_ORDER);
  if (!items_fit(incoming)) return refuse(frame->sequence, GUARD_REFUSED_ITEM);
  struct will *old = current;
  current = incoming;
  incoming = old;
  receiving = false;
  beat();
  answer(GUARD_CONFIRMED, frame->sequence, NULL, 0);
}

static void forget_writer(void) {
  if (writer_stat >= 0) close(writer_stat);
  writer_stat = -1;
}

static void on_ward(const struct guard_frame *frame, const unsigned char *payload) {
  uint32_t pid;
  if (frame->length != sizeof pid) return refuse(frame->sequence, GUARD_REFUSED_FRAME);
  memcpy(&pid, payload, sizeof pid);
  int descriptor = pid == 0 || pid > INT32_MAX ? -1 : open_pidfd((pid_t)pid);
  if (descriptor < 0) return refuse(frame->sequence, GUARD_REFUSED_WARD);
  close(ward_pidfd);
  ward_pidfd = descriptor;
  ward = (pid_t)pid;
  /* That of the other process. */
  forget_writer();
  beat();
  answer(GUARD_CONFIRMED, frame->sequence, NULL, 0);
}

static void on_writer(const struct guard_frame *frame, const unsigned char *payload) {
  uint32_t tid;
  char path[64];
  if (frame->length != sizeof tid) return refuse(frame->sequence, GUARD_REFUSED_FRAME);
  memcpy(&tid, payload, sizeof tid);
  forget_writer();
  snprintf(path, sizeof path, "/proc/%d/task/%" PRIu32 "/stat", (int)ward, tid);
  writer_stat = open(path, O_RDONLY | O_CLOEXEC);
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
  switch (frame.type) {
    case GUARD_BEGIN: on_begin(&frame, payload); break;
    case GUARD_DATA: on_data(&frame, payload); break;
    case GUARD_COMMIT: on_commit(&frame); break;
    case GUARD_BEAT: beat(); break;
    case GUARD_EXTEND: on_extend(&frame, payload); break;
    case GUARD_WARD: on_ward(&frame, payload); break;
    case GUARD_WRITER: on_writer(&frame, payload); break;
    case GUARD_GOODBYE: return false;
    default: refuse(frame.sequence, GUARD_REFUSED_FRAME); break;
  }
  return true;
}

/* Sends the items of one sort; returns how many the kernel did not take. */
static unsigned send_items(bool packets) {
  static _Alignas(8) unsigned char address[GUARD_ADDRESS_MAX];
  static _Alignas(16) unsigned char control[GUARD_CONTROL_MAX];
  unsigned failed = 0;
  for (uint32_t at = 0; at < current->length; at += item_size(current, at)) {
    struct guard_item item;
    unsigned char *bytes = current->bytes + at;
    memcpy(&item, bytes, sizeof item);
    if ((item.kind != GUARD_ITEM_NETLINK) != packets) continue;
    memcpy(address, bytes + sizeof item, item.address_length);
    memcpy(control, bytes + sizeof item + item.address_length, item.control_length);
    struct iovec data = {bytes + sizeof item + item.address_length + item.control_length, item.data_length};
    struct msghdr message = {
        .msg_name = item.address_length > 0 ? address : NULL,
        .msg_namelen = item.address_length,
        .msg_iov = &data,
        .msg_iovlen = 1,
        .msg_control = item.control_length > 0 ? control : NULL,
        .msg_controllen = item.control_length,
    };
    int target = item.kind == GUARD_ITEM_NETLINK ? netlink_socket : item.kind == GUARD_ITEM_IPV4 ? ipv4_socket : ipv6_socket;
    if (sendmsg(target, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) failed++;
  }
  return failed;
}

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

/* Kills the ward and waits until it cannot write any more. False when it could not be killed, or does not end. */
static bool kill_ward(void) {
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

static void fire(const char *cause) {
  int64_t begun = now_ms();
  bool dead = kill_ward();
  int64_t dead_after = now_ms() - begun;
  unsigned refused = send_items(false);
  unsigned unsent = 0;
  for (int round = 0; round < PACKET_ROUNDS; round++) {
    if (round > 0) usleep(ROUND_PAUSE_US);
    unsent += send_items(true);
  }
  if (current->length > 0 || !dead) {
    say("<3>",
        "the last will of process %d was executed because %s: dead after %" PRId64 " ms, all done after %" PRId64
        " ms, %u requests and %u packets were not taken",
        (int)ward, cause, dead_after, now_ms() - begun, refused, unsent);
  }
}

/* What a late guard saw is no evidence: it gets one more period. True when the daemon is to be ended. */
static bool heartbeat_missing(int64_t wanted_wake_ms) {
  int64_t now = now_ms();
  if (current->limit_ms == 0 || now < deadline_ms) return false;
  int64_t own_lateness = now - wanted_wake_ms;
  if (own_lateness > current->limit_ms / 2) {
    deadline_ms = now + current->limit_ms;
    return false;
  }
  if (current->length > 0) return true;
  if (!late_told) {
    uint32_t late = (uint32_t)(now - deadline_ms + current->limit_ms);
    answer(GUARD_LATE, 0, &late, 1);
    say("<4>", "no heartbeat of process %d for %u ms; it holds nothing, so nothing is done", (int)ward, late);
    late_told = true;
  }
  deadline_ms = now + current->limit_ms;
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
    int64_t wake_ms = current->limit_ms == 0 ? INT64_MAX : deadline_ms;
    int64_t left = current->limit_ms == 0 ? -1 : wake_ms - now_ms();
    struct pollfd ends[2] = {{daemon_socket, POLLIN, 0}, {ward_pidfd, POLLIN, 0}};
    int ready = poll(ends, 2, current->limit_ms == 0 ? -1 : left > 0 ? (int)left : 0);
    if (ready < 0 && errno != EINTR) {
      say("<3>", "poll: %s", strerror(errno));
      return EXIT_SETUP;
    }
    /* Frames first: a goodbye, or a heartbeat that waits, counts before the end of the process and before the clock. */
    enum frames_end end = read_frames();
    /* A frame may have named another process. */
    ends[1].fd = ward_pidfd;
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

static int open_or_exit(int descriptor, const char *what) {
  if (descriptor >= 0) return descriptor;
  say("<3>", "%s: %s", what, strerror(errno));
  exit(EXIT_SETUP);
}

static void open_sockets(void) {
  const int on = 1;
  const int off = 0;
  netlink_socket = open_or_exit(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), "netlink socket");
  ipv4_socket = open_or_exit(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), "raw IPv4 socket");
  if (setsockopt(ipv4_socket, IPPROTO_IP, IP_HDRINCL, &on, sizeof on) != 0) open_or_exit(-1, "IP_HDRINCL");
  setsockopt(ipv4_socket, IPPROTO_IP, IP_MULTICAST_LOOP, &off, sizeof off);
  /* A kernel without IPv6 has no IPv6 packets to send. */
  ipv6_socket = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, PROTOCOL_VRRP);
  if (ipv6_socket >= 0) setsockopt(ipv6_socket, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof off);
  /* It receives as well, and nobody reads it: the kernel's least. */
  if (ipv6_socket >= 0) setsockopt(ipv6_socket, SOL_SOCKET, SO_RCVBUF, &off, sizeof off);
}

/* Polite signals are for the daemon, which says goodbye when it has released everything; a guard ended by them would leave the addresses. */
static void ignore_polite_signals(void) {
  const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGPIPE, SIGUSR1, SIGUSR2};
  for (size_t at = 0; at < sizeof signals / sizeof *signals; at++) signal(signals[at], SIG_IGN);
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
  ignore_polite_signals();
  daemon_socket = (int)socket_number;
  fcntl(daemon_socket, F_SETFD, FD_CLOEXEC);
  ward = (pid_t)pid;
  ward_pidfd = open_or_exit(open_pidfd(ward), "pidfd_open of the daemon");
  open_sockets();
  take_lock(lock);
  const uint32_t hello[2] = {(uint32_t)getpid(), harden()};
  deadline_ms = now_ms();
  answer(GUARD_HELLO, 0, hello, 2);
  return watch();
}
