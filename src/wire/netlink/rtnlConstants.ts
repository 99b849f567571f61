/** Numbers of rtnetlink (rtnetlink(7), linux/rtnetlink.h, if_addr.h, if_link.h, fib_rules.h), compared with the headers by a test. */

/** RTM_NEWLINK and so on: nlmsg_type. */
export const RTM = {
  newLink: 16,
  deleteLink: 17,
  getLink: 18,
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  deleteRoute: 25,
  getRoute: 26,
  newRule: 32,
  deleteRule: 33,
  getRule: 34,
} as const;

/** RTNLGRP_LINK and so on: numbers for NETLINK_ADD_MEMBERSHIP. */
export const RTNLGRP = {
  link: 1,
  ipv4Address: 5,
  ipv4Route: 7,
  ipv4Rule: 8,
  ipv6Address: 9,
  ipv6Route: 11,
  ipv6Rule: 19,
} as const;

/** ifa_scope, rtm_scope: RT_SCOPE_* */
export const SCOPE = { universe: 0, site: 200, link: 253, host: 254, nowhere: 255 } as const;

/** RTPROT_*: who made a route or rule. */
export const RTPROT = {
  unspecified: 0,
  redirect: 1,
  kernel: 2,
  boot: 3,
  static: 4,
  routerAdvertisement: 9,
  keepalived: 18,
} as const;

/** RT_TABLE_* */
export const RT_TABLE = { unspecified: 0, default: 253, main: 254, local: 255 } as const;

/** IFA_F_*: ifa_flags and IFA_FLAGS. */
export const IFA_F = {
  /** IPv4: of a subnet whose first address goes, it goes too. The same bit is "temporary" for IPv6. */
  secondary: 0x01,
  noDad: 0x02,
  optimistic: 0x04,
  dadFailed: 0x08,
  homeAddress: 0x10,
  deprecated: 0x20,
  tentative: 0x40,
  permanent: 0x80,
  manageTemporaryAddresses: 0x100,
  noPrefixRoute: 0x200,
  multicastAutojoin: 0x400,
  stablePrivacy: 0x800,
} as const;

/** IFAPROT_*: who made an address (IFA_PROTO, Linux 5.18; before that it is ignored). Numbers above are free for programs. */
export const IFAPROT = { unspecified: 0, kernelLoopback: 1, kernelRouterAdvertisement: 2, kernelLinkLocal: 3 } as const;

/** Ours, that of VRRP among the IP protocols: `ip address show proto 112` lists what holdfast holds. */
export const IFAPROT_HOLDFAST = 112;

/** The beginning of our devices' IFLA_IFALIAS, whose they are stands behind it: `ip link show` tells it. */
export const LINK_MARK_HOLDFAST = "holdfast:";
/** IFLA_INFO_KIND of the devices that we make: whatever else bears the mark, or one of our names, is not ours. */
export const LINK_KINDS_HOLDFAST: ReadonlySet<string | undefined> = new Set(["macvlan", "ipvlan"]);

/** Whether a link of a dump is a device that a holdfast has made. */
export function isMarkedDevice(link: {
  readonly kind: string | undefined;
  readonly alias: string | undefined;
}): boolean {
  return LINK_KINDS_HOLDFAST.has(link.kind) && link.alias?.startsWith(LINK_MARK_HOLDFAST) === true;
}

/** IFF_*: the flags of a link. `lowerUp` is the carrier, `running` the operational state. */
export const IFF = { up: 0x1, broadcast: 0x2, loopback: 0x8, running: 0x40, noArp: 0x80, lowerUp: 0x10000 } as const;

/** IF_OPER_*: IFLA_OPERSTATE (RFC 2863). */
export const OPERSTATE = {
  unknown: 0,
  notPresent: 1,
  down: 2,
  lowerLayerDown: 3,
  testing: 4,
  dormant: 5,
  up: 6,
} as const;

/** A lifetime without an end (INFINITY_LIFE_TIME). */
export const LIFETIME_FOREVER_SEC = 0xffff_ffff;

export const AF_INET = 2;
export const AF_INET6 = 10;
