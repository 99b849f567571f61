/*
 * What a daemon and its holdfast-guard say to each other over a socket pair of type SOCK_SEQPACKET: one frame a message,
 * every number in the machine's own byte order, since both ends are on one machine. The TypeScript side is src/wire/guard.ts.
 *
 *   frame:  magic u32 | version u16 | type u16 | sequence u32 | length u32 | payload (length bytes)
 *
 *   BEGIN   total u32, limit_ms u32   a new will of `total` bytes follows; limit 0 = heartbeats are not watched
 *   DATA    bytes                     in order, as many frames as it takes
 *   COMMIT                            the new will replaces the old one whole; answered by CONFIRMED or REFUSED
 *   BEAT                              the loop lives
 *   EXTEND  ms u32                    no heartbeat is missed for so long: the loop is being replaced
 *   WARD    pid u32                   another process is watched from now on (hand-over); answered
 *   WRITER  tid u32                   the one thread of the ward that writes addresses: when it ends, nothing comes back
 *   GOODBYE                           everything is released: the guard ends without firing
 *
 *   HELLO     pid u32, flags u32      the lock is held, sockets are open: first frame from the guard
 *   CONFIRMED                         of the frame with this sequence number
 *   REFUSED   reason u32              of the frame with this sequence number; the will that was there stays
 *   LATE      late_ms u32             a heartbeat is missing, and the will is empty: nothing is done about it
 *
 * A will is a row of items, each padded to four bytes:
 *   kind u16 | address_length u16 | control_length u16 | reserved u16 | data_length u32 | address | control | data
 * First every NETLINK item is sent, then every packet. The guard knows nothing of what the bytes mean.
 */
#ifndef HOLDFAST_GUARD_PROTOCOL_H
#define HOLDFAST_GUARD_PROTOCOL_H

#include <stdint.h>

enum {
  GUARD_MAGIC = 0x48464721,
  GUARD_VERSION = 1,
  GUARD_FRAME_MAX = 65536,
  GUARD_WILL_MAX = 1 << 20,
  GUARD_ADDRESS_MAX = 128,
  GUARD_CONTROL_MAX = 256,
  GUARD_LIMIT_MS_MAX = 600000,
};

enum guard_type {
  GUARD_BEGIN = 1,
  GUARD_DATA = 2,
  GUARD_COMMIT = 3,
  GUARD_BEAT = 4,
  GUARD_EXTEND = 5,
  GUARD_WARD = 6,
  GUARD_GOODBYE = 7,
  GUARD_WRITER = 8,
  GUARD_HELLO = 101,
  GUARD_CONFIRMED = 102,
  GUARD_REFUSED = 103,
  GUARD_LATE = 104,
};

enum guard_refusal {
  GUARD_REFUSED_FRAME = 1,
  GUARD_REFUSED_SIZE = 2,
  GUARD_REFUSED_ORDER = 3,
  GUARD_REFUSED_ITEM = 4,
  GUARD_REFUSED_WARD = 5,
};

enum guard_item_kind {
  GUARD_ITEM_NETLINK = 1,
  /* A whole IPv4 packet with its header. */
  GUARD_ITEM_IPV4 = 2,
  /* The payload of an IPv6 packet of protocol 112; source, interface and hop limit are ancillary data. */
  GUARD_ITEM_IPV6 = 3,
};

enum guard_hello_flags {
  GUARD_HELLO_LOCKED_IN_MEMORY = 1,
  GUARD_HELLO_REALTIME = 2,
};

struct guard_frame {
  uint32_t magic;
  uint16_t version;
  uint16_t type;
  uint32_t sequence;
  uint32_t length;
};

struct guard_item {
  uint16_t kind;
  uint16_t address_length;
  uint16_t control_length;
  uint16_t reserved;
  uint32_t data_length;
};

#endif
