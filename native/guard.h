/* What the parts of holdfast-guard share: guard.c watches, guard_will.c has the last will, guard_ward.c the process that is watched. */
#ifndef HOLDFAST_GUARD_H
#define HOLDFAST_GUARD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum {
  EXIT_USAGE = 2,
  EXIT_SETUP = 3,
};

/* To standard error, which is the journal under systemd: <3> and <4> are its marks of an error and a warning (sd-daemon(3)). */
void say(const char *level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The descriptor; where it is none, says what failed with errno and ends the program. */
int open_or_exit(int descriptor, const char *what);
/* Monotonic milliseconds. */
int64_t now_ms(void);

/* What is sent with. In the network namespace of the start; ends the program where they cannot be had. */
void will_open_sockets(void);
/* BEGIN, DATA, COMMIT of a new will: 0, or the enum guard_refusal for which it is given up. The will that was there counts until the commit. */
uint32_t will_begin(const unsigned char *payload, uint32_t length);
uint32_t will_data(const unsigned char *payload, uint32_t length);
uint32_t will_commit(void);
/* Of no use any more is what came of a new will. */
void will_give_up(void);
bool will_is_empty(void);
/* How long a heartbeat may be missing; 0: for ever. */
uint32_t will_limit_ms(void);
/* Sends the netlink requests, or the packets; returns how many the kernel did not take. Opens and allocates nothing. */
unsigned will_send(bool packets);

/* From now on this is the process that is watched. False when there is none. */
bool ward_watch(uint32_t pid);
/* The one thread of it that writes addresses, by its number. */
void ward_set_writer(uint32_t tid);
pid_t ward_pid(void);
/* A pidfd: readable when the process is dead. */
int ward_descriptor(void);
/* Kills it and waits until it cannot write any more. False when it could not be killed, or does not end. */
bool ward_kill(void);

#endif
