/* The last will: ready-made bytes, received and checked, and sent as they are when it comes to that. Their picture is in guard_protocol.h. */
#define _GNU_SOURCE
#include <linux/netlink.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "guard.h"
#include "guard_protocol.h"

enum { PROTOCOL_VRRP = 112 };

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

static int netlink_socket = -1;
static int ipv4_socket = -1;
static int ipv6_socket = -1;

void will_open_sockets(void) {
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

uint32_t will_begin(const unsigned char *payload, uint32_t length) {
  uint32_t words[2];
  if (length != sizeof words) return GUARD_REFUSED_FRAME;
  memcpy(words, payload, sizeof words);
  if (words[0] > GUARD_WILL_MAX || words[1] > GUARD_LIMIT_MS_MAX) return GUARD_REFUSED_SIZE;
  receiving = true;
  incoming->length = 0;
  incoming_total = words[0];
  incoming->limit_ms = words[1];
  return 0;
}

uint32_t will_data(const unsigned char *payload, uint32_t length) {
  if (!receiving) return GUARD_REFUSED_ORDER;
  if (length > incoming_total - incoming->length) return GUARD_REFUSED_SIZE;
  memcpy(incoming->bytes + incoming->length, payload, length);
  incoming->length += length;
  return 0;
}

uint32_t will_commit(void) {
  if (!receiving || incoming->length != incoming_total) return GUARD_REFUSED_ORDER;
  if (!items_fit(incoming)) return GUARD_REFUSED_ITEM;
  struct will *old = current;
  current = incoming;
  incoming = old;
  receiving = false;
  return 0;
}

void will_give_up(void) { receiving = false; }

bool will_is_empty(void) { return current->length == 0; }

uint32_t will_limit_ms(void) { return current->limit_ms; }

static int socket_for(uint16_t kind) {
  if (kind == GUARD_ITEM_NETLINK) return netlink_socket;
  return kind == GUARD_ITEM_IPV4 ? ipv4_socket : ipv6_socket;
}

unsigned will_send(bool packets) {
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
    if (sendmsg(socket_for(item.kind), &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) failed++;
  }
  return failed;
}
