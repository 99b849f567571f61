import { describe, expect, test } from "vitest";
import { loadAddon } from "../../src/io/addon.ts";
import type { AttributeTable } from "../../src/wire/netlink/attributes.ts";
import * as connector from "../../src/wire/netlink/connector.ts";
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

const attributeTables = Object.entries({ ...genl, ...ipvs, ...message, ...rtnl })
  .filter(([name]) => name.endsWith("_ATTRIBUTES"))
  .map(([name, table]) => [name, table as AttributeTable] as const);

test("every attribute table is looked at", () => {
  expect(attributeTables.map(([name]) => name).sort()).toEqual([
    "ACKNOWLEDGEMENT_ATTRIBUTES",
    "ADDRESS_ATTRIBUTES",
    "COMMAND_ATTRIBUTES",
    "CONTROLLER_ATTRIBUTES",
    "DESTINATION_ATTRIBUTES",
    "INFO_ATTRIBUTES",
    "LINK_ATTRIBUTES",
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
  }),
  ...names(rtnl.RTNLGRP, {
    link: "RTNLGRP_LINK",
    ipv4Address: "RTNLGRP_IPV4_IFADDR",
    ipv6Address: "RTNLGRP_IPV6_IFADDR",
  }),
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
    dadFailed: "IFA_F_DADFAILED",
    deprecated: "IFA_F_DEPRECATED",
    tentative: "IFA_F_TENTATIVE",
    permanent: "IFA_F_PERMANENT",
    noPrefixRoute: "IFA_F_NOPREFIXROUTE",
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
    setInfo: "IPVS_CMD_SET_INFO",
    getInfo: "IPVS_CMD_GET_INFO",
    flush: "IPVS_CMD_FLUSH",
  }),
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
