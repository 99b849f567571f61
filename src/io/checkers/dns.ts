import { randomInt } from "node:crypto";
import { decode, encode, type Packet, RECURSION_DESIRED } from "dns-packet";
import type { DnsCheckConfig } from "../../config/check.types.ts";
import type { ProbeOutcome } from "../../health/types.ts";
import { LINUX } from "../linux.ts";
import type { Attempt } from "./attempt.ts";
import { ask } from "./datagram.ts";
import type { SocketOpener } from "./path.ts";

/** DNS_CHECK: one question over UDP. Whatever is not the response to it, by identifier and direction, is not heard. */
export function runDnsCheck(check: DnsCheckConfig, attempt: Attempt, addon: () => SocketOpener): void {
  const id = randomInt(0x1_0000);
  const question = {
    type: LINUX.SOCK_DGRAM,
    protocol: 0,
    datagram: encode({
      type: "query",
      id,
      flags: RECURSION_DESIRED,
      questions: [{ type: check.type, name: check.name }],
    }),
    read: (data: Buffer) => readResponse(data, id),
  };
  ask(check, question, attempt, addon);
}

/** RFC 1035 4.1.1: the header's length, and the bit that tells a response. */
const HEADER_BYTES = 12;
const RESPONSE_BIT = 0x8000;

function readResponse(data: Buffer, id: number): ProbeOutcome | undefined {
  if (data.length < HEADER_BYTES) return { kind: "malformed", detail: `${data.length} bytes` };
  if (data.readUInt16BE(0) !== id || (data.readUInt16BE(2) & RESPONSE_BIT) === 0) return undefined;
  try {
    // The decoder's own type leaves the response code out.
    const response = decode(data) as Packet & { readonly rcode?: string };
    return { kind: "dnsReply", responseCode: response.rcode ?? "?", answers: response.answers?.length ?? 0 };
  } catch (error) {
    return { kind: "malformed", detail: error instanceof Error ? error.message : String(error) };
  }
}
