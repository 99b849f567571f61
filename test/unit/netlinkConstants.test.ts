import { describe, expect, test } from "vitest";
import { loadAddon } from "../../src/io/addon.ts";
import type { AttributeTable } from "../../src/wire/netlink/attributes.ts";
import * as connector from "../../src/wire/netlink/connector.ts";
import * as ethtool from "../../src/wire/netlink/ethtool.ts";
import * as genl from "../../src/wire/netlink/genl.ts";
import * as ipvs from "../../src/wire/netlink/ipvs.ts";
import * as message from "../../src/wire/netlink/message.ts";
import * as rtnl from "../../src/wire/netlink/rtnl.ts";
import * as writer from "../../src/wire/netlink/writer.ts";

/** Every number of the netlink codecs against the headers that the addon was built from. */
const { constants } = loadAddon();

function expectHeaderValue(kernel: string, value: number): void {
  expect(constants, `the addon exports no ${kernel}`).toHaveProperty(kernel);
  expect(value, kernel).toBe(constants[kernel]);
}

const attributeTables = Object.entries({ ...ethtool, ...genl, ...ipvs, ...message, ...rtnl })
  .filter(([name]) => name.endsWith("_ATTRIBUTES"))
  .map(([name, table]) => [name, table as AttributeTable] as const);

test("every attribute table is looked at", () => {
  expect(attributeTables.map(([name]) => name).sort()).toEqual([
    "ACKNOWLEDGEMENT_ATTRIBUTES",
    "ADDRESS_ATTRIBUTES",
    "COMMAND_ATTRIBUTES",
    "CONTROLLER_ATTRIBUTES",
    "DAEMON_ATTRIBUTES",
    "DESTINATION_ATTRIBUTES",
    "ETHTOOL_HEADER_ATTRIBUTES",
    "FAMILY_ATTRIBUTES",
    "INET6_ATTRIBUTES",
    "INFO_ATTRIBUTES",
    "IPVLAN_ATTRIBUTES",
    "LINK_ATTRIBUTES",
    "LINK_INFO_ATTRIBUTES",
    "LINK_STATE_ATTRIBUTES",
    "MACVLAN_ATTRIBUTES",
    "NEXTHOP_ATTRIBUTES",
    "ROUTE_ATTRIBUTES",
    "RULE_ATTRIBUTES",
    "SERVICE_ATTRIBUTES",
    "STATISTICS64_ATTRIBUTES",
    "STATISTICS_ATTRIBUTES",
  ]);
});

describe.each(attributeTables)("%s", (_name, table) => {
  test.each(Object.values(table).map((row) => [row.kernel, row.attr] as const))("%s", expectHeaderValue);
});

/** A table of numbers with the header's name for each of its members: a member without one does not compile. */
function names<Table extends Record<string, number>>(
  table: Table,
  kernel: { readonly [Key in keyof Table]: string },
): (readonly [string, number])[] {
  return Object.entries(table).map(([key, value]) => [kernel[key] ?? key, value]);
}

test.each([
  ["ETHTOOL_GENL_VERSION", ethtool.ETHTOOL_VERSION],
  ...names(ethtool.ETHTOOL_COMMAND, {
    linkStateGet: "ETHTOOL_MSG_LINKSTATE_GET",
    linkStateReply: "ETHTOOL_MSG_LINKSTATE_GET_REPLY",
  }),
  ...names(message.NLMSG, {
    noop: "NLMSG_NOOP",
    error: "NLMSG_ERROR",
    done: "NLMSG_DONE",
    overrun: "NLMSG_OVERRUN",
  }),
  ...names(message.NLM_F, {
    request: "NLM_F_REQUEST",
    multi: "NLM_F_MULTI",
    ack: "NLM_F_ACK",
    dumpInterrupted: "NLM_F_DUMP_INTR",
    dump: "NLM_F_DUMP",
    replace: "NLM_F_REPLACE",
    exclusive: "NLM_F_EXCL",
    append: "NLM_F_APPEND",
    create: "NLM_F_CREATE",
    capped: "NLM_F_CAPPED",
    ackAttributes: "NLM_F_ACK_TLVS",
  }),
  ...names(genl.CONTROLLER_COMMAND, { newFamily: "CTRL_CMD_NEWFAMILY", getFamily: "CTRL_CMD_GETFAMILY" }),
  ...names(rtnl.RTM, {
    newLink: "RTM_NEWLINK",
    deleteLink: "RTM_DELLINK",
    getLink: "RTM_GETLINK",
    newAddress: "RTM_NEWADDR",
    deleteAddress: "RTM_DELADDR",
    getAddress: "RTM_GETADDR",
    newRoute: "RTM_NEWROUTE",
    deleteRoute: "RTM_DELROUTE",
    getRoute: "RTM_GETROUTE",
    newRule: "RTM_NEWRULE",
    deleteRule: "RTM_DELRULE",
    getRule: "RTM_GETRULE",
  }),
  ...names(rtnl.RTNLGRP, {
    link: "RTNLGRP_LINK",
    ipv4Address: "RTNLGRP_IPV4_IFADDR",
    ipv4Route: "RTNLGRP_IPV4_ROUTE",
    ipv4Rule: "RTNLGRP_IPV4_RULE",
    ipv6Address: "RTNLGRP_IPV6_IFADDR",
    ipv6Route: "RTNLGRP_IPV6_ROUTE",
    ipv6Rule: "RTNLGRP_IPV6_RULE",
  }),
  ...names(rtnl.RTPROT, {
    unspecified: "RTPROT_UNSPEC",
    redirect: "RTPROT_REDIRECT",
    kernel: "RTPROT_KERNEL",
    boot: "RTPROT_BOOT",
    static: "RTPROT_STATIC",
    routerAdvertisement: "RTPROT_RA",
    keepalived: "RTPROT_KEEPALIVED",
  }),
  ...names(rtnl.RT_TABLE, {
    unspecified: "RT_TABLE_UNSPEC",
    default: "RT_TABLE_DEFAULT",
    main: "RT_TABLE_MAIN",
    local: "RT_TABLE_LOCAL",
  }),
  ...names(rtnl.IFAPROT, {
    unspecified: "IFAPROT_UNSPEC",
    kernelLoopback: "IFAPROT_KERNEL_LO",
    kernelRouterAdvertisement: "IFAPROT_KERNEL_RA",
    kernelLinkLocal: "IFAPROT_KERNEL_LL",
  }),
  ...names(rtnl.MACVLAN_MODE, {
    private: "MACVLAN_MODE_PRIVATE",
    vepa: "MACVLAN_MODE_VEPA",
    bridge: "MACVLAN_MODE_BRIDGE",
    passthru: "MACVLAN_MODE_PASSTHRU",
    source: "MACVLAN_MODE_SOURCE",
  }),
  ...names(rtnl.IPVLAN_MODE, { l2: "IPVLAN_MODE_L2", l3: "IPVLAN_MODE_L3", l3s: "IPVLAN_MODE_L3S" }),
  ...names(rtnl.IPVLAN_F, { private: "IPVLAN_F_PRIVATE", vepa: "IPVLAN_F_VEPA" }),
  ...names(rtnl.ADDRESS_GENERATION, {
    eui64: "IN6_ADDR_GEN_MODE_EUI64",
    none: "IN6_ADDR_GEN_MODE_NONE",
    stablePrivacy: "IN6_ADDR_GEN_MODE_STABLE_PRIVACY",
    random: "IN6_ADDR_GEN_MODE_RANDOM",
  }),
  ...names(rtnl.RTN, {
    unspecified: "RTN_UNSPEC",
    unicast: "RTN_UNICAST",
    local: "RTN_LOCAL",
    broadcast: "RTN_BROADCAST",
    anycast: "RTN_ANYCAST",
    multicast: "RTN_MULTICAST",
    blackhole: "RTN_BLACKHOLE",
    unreachable: "RTN_UNREACHABLE",
    prohibit: "RTN_PROHIBIT",
    throw: "RTN_THROW",
  }),
  ...names(rtnl.RTNH_F, { dead: "RTNH_F_DEAD", onlink: "RTNH_F_ONLINK", linkDown: "RTNH_F_LINKDOWN" }),
  ["RTM_F_CLONED", rtnl.RTM_F_CLONED],
  ...names(rtnl.RTAX, {
    lock: "RTAX_LOCK",
    mtu: "RTAX_MTU",
    features: "RTAX_FEATURES",
    congestionControl: "RTAX_CC_ALGO",
  }),
  ...names(rtnl.RULE_ACTION, {
    unspecified: "FR_ACT_UNSPEC",
    table: "FR_ACT_TO_TBL",
    goto: "FR_ACT_GOTO",
    nop: "FR_ACT_NOP",
    blackhole: "FR_ACT_BLACKHOLE",
    unreachable: "FR_ACT_UNREACHABLE",
    prohibit: "FR_ACT_PROHIBIT",
  }),
  ["FIB_RULE_INVERT", rtnl.FIB_RULE_INVERT],
  ...names(rtnl.SCOPE, {
    universe: "RT_SCOPE_UNIVERSE",
    site: "RT_SCOPE_SITE",
    link: "RT_SCOPE_LINK",
    host: "RT_SCOPE_HOST",
    nowhere: "RT_SCOPE_NOWHERE",
  }),
  ...names(rtnl.IFA_F, {
    secondary: "IFA_F_SECONDARY",
    noDad: "IFA_F_NODAD",
    optimistic: "IFA_F_OPTIMISTIC",
    dadFailed: "IFA_F_DADFAILED",
    homeAddress: "IFA_F_HOMEADDRESS",
    deprecated: "IFA_F_DEPRECATED",
    tentative: "IFA_F_TENTATIVE",
    permanent: "IFA_F_PERMANENT",
    manageTemporaryAddresses: "IFA_F_MANAGETEMPADDR",
    noPrefixRoute: "IFA_F_NOPREFIXROUTE",
    multicastAutojoin: "IFA_F_MCAUTOJOIN",
    stablePrivacy: "IFA_F_STABLE_PRIVACY",
  }),
  ...names(rtnl.IFF, {
    up: "IFF_UP",
    broadcast: "IFF_BROADCAST",
    loopback: "IFF_LOOPBACK",
    running: "IFF_RUNNING",
    noArp: "IFF_NOARP",
    lowerUp: "IFF_LOWER_UP",
  }),
  ...names(rtnl.OPERSTATE, {
    unknown: "IF_OPER_UNKNOWN",
    notPresent: "IF_OPER_NOTPRESENT",
    down: "IF_OPER_DOWN",
    lowerLayerDown: "IF_OPER_LOWERLAYERDOWN",
    testing: "IF_OPER_TESTING",
    dormant: "IF_OPER_DORMANT",
    up: "IF_OPER_UP",
  }),
  ...names(ipvs.IPVS_COMMAND, {
    newService: "IPVS_CMD_NEW_SERVICE",
    setService: "IPVS_CMD_SET_SERVICE",
    deleteService: "IPVS_CMD_DEL_SERVICE",
    getService: "IPVS_CMD_GET_SERVICE",
    newDestination: "IPVS_CMD_NEW_DEST",
    setDestination: "IPVS_CMD_SET_DEST",
    deleteDestination: "IPVS_CMD_DEL_DEST",
    getDestination: "IPVS_CMD_GET_DEST",
    newDaemon: "IPVS_CMD_NEW_DAEMON",
    deleteDaemon: "IPVS_CMD_DEL_DAEMON",
    getDaemon: "IPVS_CMD_GET_DAEMON",
    setConfig: "IPVS_CMD_SET_CONFIG",
    getConfig: "IPVS_CMD_GET_CONFIG",
    setInfo: "IPVS_CMD_SET_INFO",
    getInfo: "IPVS_CMD_GET_INFO",
    flush: "IPVS_CMD_FLUSH",
  }),
  ...names(ipvs.DAEMON_STATE, { master: "IP_VS_STATE_MASTER", backup: "IP_VS_STATE_BACKUP" }),
  ...names(ipvs.SERVICE_FLAG, {
    persistent: "IP_VS_SVC_F_PERSISTENT",
    hashed: "IP_VS_SVC_F_HASHED",
    onePacket: "IP_VS_SVC_F_ONEPACKET",
    scheduler1: "IP_VS_SVC_F_SCHED1",
    scheduler2: "IP_VS_SVC_F_SCHED2",
    scheduler3: "IP_VS_SVC_F_SCHED3",
  }),
  ...names(ipvs.FORWARDING_METHOD, {
    masq: "IP_VS_CONN_F_MASQ",
    local: "IP_VS_CONN_F_LOCALNODE",
    tunnel: "IP_VS_CONN_F_TUNNEL",
    route: "IP_VS_CONN_F_DROUTE",
    bypass: "IP_VS_CONN_F_BYPASS",
  }),
  ...names(connector.PROCESS_CONNECTOR, { idx: "CN_IDX_PROC", val: "CN_VAL_PROC" }),
  ...names(connector.PROCESS_MULTICAST, { listen: "PROC_CN_MCAST_LISTEN", ignore: "PROC_CN_MCAST_IGNORE" }),
  ...names(connector.PROCESS_EVENT, {
    none: "PROC_EVENT_NONE",
    fork: "PROC_EVENT_FORK",
    exec: "PROC_EVENT_EXEC",
    comm: "PROC_EVENT_COMM",
    exit: "PROC_EVENT_EXIT",
  }),
  ["IP_VS_CONN_F_FWD_MASK", ipvs.FORWARDING_MASK],
  ["IPVS_GENL_VERSION", ipvs.IPVS_VERSION],
  ["AF_INET", ipvs.AF_INET],
  ["AF_INET6", ipvs.AF_INET6],
  ["GENL_ID_CTRL", genl.CONTROLLER_FAMILY_ID],
  ["GENL_HDRLEN", genl.GENERIC_HEADER_BYTES],
  ["NLMSG_HDRLEN", writer.HEADER_BYTES],
  ["NLA_HDRLEN", writer.ATTRIBUTE_HEADER_BYTES],
  ["NLA_F_NESTED", writer.NESTED_FLAG],
] as const)("%s", expectHeaderValue);
