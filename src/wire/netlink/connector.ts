/**
 * The process connector (linux/connector.h, linux/cn_proc.h): the kernel tells of every fork, exec, change of name and exit.
 *
 *     nlmsghdr (16)  nlmsg_type NLMSG_DONE
 *     cn_msg (20)    idx u32 = CN_IDX_PROC, val u32 = CN_VAL_PROC, seq u32, ack u32, len u16, flags u16
 *     to the kernel: op u32, PROC_CN_MCAST_LISTEN or _IGNORE
 *     proc_event     what u32, cpu u32, timestamp_ns u64, then
 *                    NONE: err u32 (the answer to LISTEN)
 *                    FORK: parent_pid, parent_tgid, child_pid, child_tgid (each u32)
 *                    EXEC: process_pid, process_tgid
 *                    COMM: process_pid, process_tgid, comm char[16]
 *                    EXIT: process_pid, process_tgid, ...
 *
 * "pid" is the thread's number here, "tgid" the process's. Numbers are in the host's byte order, little-endian.
 */
import { viewOf } from "../bytes.ts";
import { decodeMessages, NLMSG } from "./message.ts";

/** CN_IDX_PROC, CN_VAL_PROC; the index is the multicast group too. */
export const PROCESS_CONNECTOR = { idx: 1, val: 1 } as const;
export const PROCESS_EVENT_GROUP = PROCESS_CONNECTOR.idx;
/** enum proc_cn_mcast_op */
export const PROCESS_MULTICAST = { listen: 1, ignore: 2 } as const;
/** enum proc_cn_event (before Linux 6.6: an enum inside proc_event) */
export const PROCESS_EVENT = { none: 0, fork: 0x1, exec: 0x2, comm: 0x200, exit: 0x8000_0000 } as const;

const HEADER = 16;
const CN_MSG = 20;
const EVENT = HEADER + CN_MSG;
/** Where the union behind what, cpu and timestamp begins. */
const DATA = EVENT + 16;
const COMM_BYTES = 16;

export type ProcessEvent =
  /** Answer to LISTEN: 0, or an errno. */
  | { readonly kind: "listening"; readonly error: number }
  /** A process, not a thread of one. */
  | { readonly kind: "fork"; readonly parent: number; readonly child: number }
  | { readonly kind: "exec"; readonly process: number }
  | { readonly kind: "comm"; readonly process: number; readonly name: string }
  | { readonly kind: "exit"; readonly process: number };

/** PROC_CN_MCAST_LISTEN (or IGNORE): to the kernel, from the socket of this port. */
export function encodeProcessEvents(listen: boolean, portId: number): Uint8Array {
  const bytes = new Uint8Array(EVENT + 4);
  const view = viewOf(bytes);
  view.setUint32(0, bytes.length, true);
  view.setUint16(4, NLMSG.done, true);
  view.setUint32(12, portId, true);
  view.setUint32(HEADER, PROCESS_CONNECTOR.idx, true);
  view.setUint32(HEADER + 4, PROCESS_CONNECTOR.val, true);
  view.setUint16(HEADER + 16, 4, true);
  view.setUint32(EVENT, listen ? PROCESS_MULTICAST.listen : PROCESS_MULTICAST.ignore, true);
  return bytes;
}

/**
 * The events of one datagram that concern whole processes; threads, other events and other connectors give none.
 * Checked here: every length that is read. Left to the caller: the sender being the kernel.
 */
export function decodeProcessEvents(bytes: Uint8Array): ProcessEvent[] {
  const messages = decodeMessages(bytes);
  if (!messages.ok) return [];
  return messages.value.flatMap(({ payload }) => decodeEvent(payload) ?? []);
}

function decodeEvent(payload: Uint8Array): ProcessEvent | undefined {
  const view = viewOf(payload);
  const at = (offset: number): number => view.getUint32(offset - HEADER, true);
  const reaches = (offset: number): boolean => payload.length >= offset - HEADER;
  if (!reaches(DATA + 4) || at(HEADER) !== PROCESS_CONNECTOR.idx || at(HEADER + 4) !== PROCESS_CONNECTOR.val)
    return undefined;
  const what = at(EVENT);
  if (what === PROCESS_EVENT.none) return { kind: "listening", error: at(DATA) };
  if (!reaches(DATA + 8)) return undefined;
  switch (what) {
    case PROCESS_EVENT.fork:
      if (!reaches(DATA + 16) || at(DATA + 8) !== at(DATA + 12)) return undefined;
      return { kind: "fork", parent: at(DATA + 4), child: at(DATA + 12) };
    case PROCESS_EVENT.exec:
      return { kind: "exec", process: at(DATA + 4) };
    case PROCESS_EVENT.exit:
      return at(DATA) === at(DATA + 4) ? { kind: "exit", process: at(DATA + 4) } : undefined;
    case PROCESS_EVENT.comm:
      if (!reaches(DATA + 8 + COMM_BYTES) || at(DATA) !== at(DATA + 4)) return undefined;
      return { kind: "comm", process: at(DATA + 4), name: text(payload, DATA + 8 - HEADER) };
    default:
      return undefined;
  }
}

/** A name up to its first zero. Names are bytes; what is no UTF-8 stays distinguishable as Latin-1. */
function text(payload: Uint8Array, start: number): string {
  const bytes = payload.subarray(start, start + COMM_BYTES);
  const end = bytes.indexOf(0);
  return String.fromCharCode(...bytes.subarray(0, end < 0 ? COMM_BYTES : end));
}
