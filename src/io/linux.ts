/**
 * Numbers of the Linux headers that sockets are opened and set up with, under the headers' own names: x86-64 and arm64
 * agree on all of them. test/unit/sockaddr.test.ts compares every one with the headers the addon was built from.
 */
export const LINUX = {
  // bits/socket.h
  AF_UNIX: 1,
  AF_INET: 2,
  AF_INET6: 10,
  AF_NETLINK: 16,
  AF_PACKET: 17,
  SOCK_DGRAM: 2,
  SOCK_RAW: 3,
  SOCK_SEQPACKET: 5,
  MSG_CTRUNC: 0x08,
  MSG_TRUNC: 0x20,
  // asm-generic/socket.h
  SOL_SOCKET: 1,
  SO_SNDBUF: 7,
  SO_RCVBUF: 8,
  SO_PRIORITY: 12,
  SO_BINDTODEVICE: 25,
  SO_TIMESTAMPNS: 35,
  SO_SNDBUFFORCE: 32,
  SO_RCVBUFFORCE: 33,
  // linux/netlink.h
  SOL_NETLINK: 270,
  NETLINK_ROUTE: 0,
  NETLINK_CONNECTOR: 11,
  NETLINK_GENERIC: 16,
  NETLINK_ADD_MEMBERSHIP: 1,
  NETLINK_CAP_ACK: 10,
  NETLINK_EXT_ACK: 11,
  NETLINK_GET_STRICT_CHK: 12,
  // linux/in.h
  IPPROTO_IP: 0,
  IP_TOS: 1,
  IP_TTL: 2,
  IP_PKTINFO: 8,
  IP_RECVTTL: 12,
  IP_MULTICAST_IF: 32,
  IP_MULTICAST_TTL: 33,
  IP_MULTICAST_LOOP: 34,
  IP_ADD_MEMBERSHIP: 35,
  IP_MULTICAST_ALL: 49,
  // linux/in6.h
  IPPROTO_IPV6: 41,
  IPV6_UNICAST_HOPS: 16,
  IPV6_MULTICAST_IF: 17,
  IPV6_MULTICAST_HOPS: 18,
  IPV6_MULTICAST_LOOP: 19,
  IPV6_JOIN_GROUP: 20,
  IPV6_RECVPKTINFO: 49,
  IPV6_PKTINFO: 50,
  IPV6_RECVHOPLIMIT: 51,
  IPV6_HOPLIMIT: 52,
  IPV6_TCLASS: 67,
  // linux/if_ether.h
  ETH_P_IP: 0x0800,
  ETH_P_ARP: 0x0806,
  ETH_P_IPV6: 0x86dd,
} as const;
