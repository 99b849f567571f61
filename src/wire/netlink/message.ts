/**
 * Netlink messages (linux/netlink.h, netlink(7)): struct nlmsghdr, answers, and the writer that many are appended to.
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +---------------------------------------------------------------+
 *     | nlmsg_len: header and payload, without the padding behind it  |
 *     +-------------------------------+-------------------------------+
 *     | nlmsg_type                    | nlmsg_flags                   |
 *     +-------------------------------+-------------------------------+
 *     | nlmsg_seq                                                     |
 *     +---------------------------------------------------------------+
 *     | nlmsg_pid: the socket's port                                  |
 *     +---------------------------------------------------------------+
 *
 * Numbers are in the host's byte order, which is little-endian wherever holdfast runs (x86-64, arm64).
 */
import { ok, type Result } from "../../core/result.ts";
import { viewOf } from "../bytes.ts";
import { type AttributeTable, type AttributeValues, decodeAttributes, nulString, u32 } from "./attributes.ts";
import { type NetlinkFailure, netlinkFailure } from "./failure.ts";
import { align, HEADER_BYTES } from "./writer.ts";

/** nlmsg_type of the control messages (NLMSG_NOOP, NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN). */
export const NLMSG = { noop: 1, error: 2, done: 3, overrun: 4 } as const;

/** nlmsg_flags. The same bit means one thing in a GET (dump) and another in a NEW (replace, exclusive) request. */
export const NLM_F = {
  /** NLM_F_REQUEST */
  request: 0x01,
  /** NLM_F_MULTI: one of several answers, ended by NLMSG_DONE. */
  multi: 0x02,
  /** NLM_F_ACK */
  ack: 0x04,
  /** NLM_F_DUMP_INTR: the table changed during the dump; it is a mixture of two states. */
  dumpInterrupted: 0x10,
  /** NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH */
  dump: 0x300,
  /** NLM_F_REPLACE */
  replace: 0x100,
  /** NLM_F_EXCL */
  exclusive: 0x200,
  /** NLM_F_CREATE */
  create: 0x400,
  /** NLM_F_APPEND */
  append: 0x800,
  /** NLM_F_CAPPED: the answer repeats only the header of the request. */
  capped: 0x100,
  /** NLM_F_ACK_TLVS: attributes of enum nlmsgerr_attrs follow. */
  ackAttributes: 0x200,
} as const;

export interface NetlinkMessage {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  readonly portId: number;
  /** A view into the received buffer, without the padding. */
  readonly payload: Uint8Array;
}

/**
 * Splits what one receive gave into its messages.
 * Checked here: every header is whole, every length covers its header and lies inside the bytes.
 * Left to the caller: sequence number and port, NLM_F_DUMP_INTR, MSG_TRUNC of the receive, the sender being the kernel.
 */
export function decodeMessages(bytes: Uint8Array): Result<NetlinkMessage[], NetlinkFailure> {
  const view = viewOf(bytes);
  const messages: NetlinkMessage[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    if (bytes.length - offset < HEADER_BYTES) {
      return netlinkFailure("truncated", `${bytes.length - offset} bytes are no message header`);
    }
    const length = view.getUint32(offset, true);
    if (length < HEADER_BYTES) return netlinkFailure("badLength", `nlmsg_len ${length} is less than its header`);
    if (length > bytes.length - offset) {
      return netlinkFailure("truncated", `nlmsg_len ${length}, but ${bytes.length - offset} bytes are left`);
    }
    messages.push({
      type: view.getUint16(offset + 4, true),
      flags: view.getUint16(offset + 6, true),
      sequence: view.getUint32(offset + 8, true),
      portId: view.getUint32(offset + 12, true),
      payload: bytes.subarray(offset + HEADER_BYTES, offset + length),
    });
    offset += align(length);
  }
  return ok(messages);
}

/** enum nlmsgerr_attrs: what the kernel says beside the errno when the socket has NETLINK_EXT_ACK. */
export const ACKNOWLEDGEMENT_ATTRIBUTES = {
  text: { attr: 1, type: nulString, kernel: "NLMSGERR_ATTR_MSG" },
  offset: { attr: 2, type: u32, kernel: "NLMSGERR_ATTR_OFFS" },
  missingType: { attr: 5, type: u32, kernel: "NLMSGERR_ATTR_MISS_TYPE" },
  missingNest: { attr: 6, type: u32, kernel: "NLMSGERR_ATTR_MISS_NEST" },
} as const satisfies AttributeTable;

export interface Acknowledgement extends AttributeValues<typeof ACKNOWLEDGEMENT_ATTRIBUTES> {
  /** 0 = done; else the positive errno. */
  readonly errno: number;
  /** Of the message that is answered. */
  readonly sequence: number;
}

const NLMSGERR_BYTES = 4 + HEADER_BYTES;

/**
 * NLMSG_ERROR (struct nlmsgerr): the answer to one request, errno 0 being success.
 * Checked here: type, lengths, attributes.
 * Left to the caller: which request the sequence number belongs to.
 */
export function decodeAcknowledgement(message: NetlinkMessage): Result<Acknowledgement, NetlinkFailure> {
  if (message.type !== NLMSG.error)
    return netlinkFailure("wrongType", `message type ${message.type} is no NLMSG_ERROR`);
  if (message.payload.length < NLMSGERR_BYTES) {
    return netlinkFailure("truncated", `struct nlmsgerr of ${message.payload.length} bytes`);
  }
  const view = viewOf(message.payload);
  const errno = -view.getInt32(0, true);
  const requestLength = view.getUint32(4, true);
  const sequence = view.getUint32(12, true);
  if ((message.flags & NLM_F.ackAttributes) === 0) return ok({ errno: errno + 0, sequence });
  // An error repeats the whole request before the attributes, unless it is capped; success never does.
  const repeated = errno === 0 || (message.flags & NLM_F.capped) !== 0 ? HEADER_BYTES : align(requestLength);
  if (repeated < HEADER_BYTES) return netlinkFailure("badLength", `repeated request of ${requestLength} bytes`);
  if (4 + repeated > message.payload.length) {
    return netlinkFailure("truncated", `repeated request of ${requestLength} bytes in ${message.payload.length}`);
  }
  const attributes = decodeAttributes(ACKNOWLEDGEMENT_ATTRIBUTES, message.payload.subarray(4 + repeated));
  if (!attributes.ok) return attributes;
  return ok({ errno: errno + 0, sequence, ...attributes.value.attributes });
}

/**
 * NLMSG_DONE: the end of a dump, with the errno it ended with (0 = whole).
 * Checked here: type and length. Left to the caller: NLM_F_DUMP_INTR on any message of the dump.
 */
export function decodeDone(message: NetlinkMessage): Result<{ readonly errno: number }, NetlinkFailure> {
  if (message.type !== NLMSG.done) return netlinkFailure("wrongType", `message type ${message.type} is no NLMSG_DONE`);
  // Kernels before 2.6 sent no number; every one that holdfast runs on does.
  if (message.payload.length < 4) return netlinkFailure("truncated", `NLMSG_DONE of ${message.payload.length} bytes`);
  return ok({ errno: -viewOf(message.payload).getInt32(0, true) + 0 });
}
