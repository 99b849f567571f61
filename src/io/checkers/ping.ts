import { randomBytes } from "node:crypto";
import type { PingCheckConfig } from "../../config/check.types.ts";
import { type Family, family } from "../../core/ip.ts";
import type { ProbeOutcome } from "../../health/types.ts";
import { decodeEchoReply, type Echo, encodeEchoRequest } from "../../wire/icmp.ts";
import { decodeIpv4 } from "../../wire/ipv4.ts";
import { LINUX } from "../linux.ts";
import type { Attempt } from "./attempt.ts";
import { ask } from "./datagram.ts";
import type { SocketOpener } from "./path.ts";

/** What makes an echo ours: no other probe has the same, and no other ping on this host. */
const DATA_BYTES = 16;

/**
 * PING_CHECK: one ICMP echo request. By a raw socket, which our CAP_NET_RAW is for anyway; keepalived opens a datagram socket
 * of ICMP and changes net.ipv4.ping_group_range for it.
 */
export function runPingCheck(check: PingCheckConfig, attempt: Attempt, addon: () => SocketOpener): void {
  const ofFamily = family(check.connectIp);
  const data = randomBytes(DATA_BYTES);
  const echo = { identifier: data.readUInt16BE(0), sequence: 1, data };
  const question = {
    type: LINUX.SOCK_RAW,
    protocol: ofFamily === 6 ? LINUX.IPPROTO_ICMPV6 : LINUX.IPPROTO_ICMP,
    datagram: encodeEchoRequest(ofFamily, echo),
    read: (packet: Buffer) => readReply(ofFamily, packet, echo),
  };
  // A raw socket takes the port for the protocol's number.
  ask({ ...check, connectPort: 0, bindPort: undefined }, question, attempt, addon);
}

/** raw(7): with its header in IPv4, without in IPv6. Others' echoes and errors come too. */
function readReply(ofFamily: Family, packet: Buffer, { identifier, data }: Echo): ProbeOutcome | undefined {
  const message = ofFamily === 4 ? payloadOf(packet) : packet;
  const reply = message === undefined ? undefined : decodeEchoReply(ofFamily, message);
  const ours = reply?.identifier === identifier && Buffer.compare(reply.data, data) === 0;
  return ours ? { kind: "echoed" } : undefined;
}

function payloadOf(packet: Buffer): Uint8Array | undefined {
  const decoded = decodeIpv4(packet);
  return decoded.ok ? decoded.value.payload : undefined;
}
