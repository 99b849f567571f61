import { HoldfastError } from "../core/errors.ts";
import type { Operation } from "../plan/types.ts";
import { decodeFamily, encodeGetFamily } from "../wire/netlink/genl.ts";
import { decodeIpvs, encodeIpvs, IPVS_FAMILY_NAME, type IpvsMessage } from "../wire/netlink/ipvs.ts";
import { type NetlinkMessage, NLM_F } from "../wire/netlink/message.ts";
import { OperationWriter } from "./ipvsOperations.ts";
import { type BatchResult, type MessageOutcome, NetlinkError, type NetlinkSocket } from "./netlinkSocket.ts";

export type IpvsErrorCode = "ipvsMissing" | "missingCapability";

const EPERM = 1;
const ENOENT = 2;

/** IPVS by generic netlink: requests, dumps and batches, with the errors that an operator meets in words. */
export class IpvsSocket {
  readonly #socket: NetlinkSocket;
  readonly #familyId: number;
  readonly #operations: OperationWriter;

  /** Throws HoldfastError `ipvsMissing` when the kernel has none. */
  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
    this.#familyId = resolveFamily(socket);
    this.#operations = new OperationWriter(this.#familyId);
  }

  /** The answers to one command. Throws HoldfastError `missingCapability` when we may not ask, else NetlinkError. */
  request(message: IpvsMessage): NetlinkMessage[] {
    try {
      return this.#socket.request((writer) => encodeIpvs(writer, this.#familyId, NLM_F.request | NLM_F.ack, message));
    } catch (error) {
      throw explained(error);
    }
  }

  /** As `request`, of everything there is. */
  dump(message: IpvsMessage, decode: typeof decodeIpvs = decodeIpvs): IpvsMessage[] {
    try {
      const answers = this.#socket.dump((writer) =>
        encodeIpvs(writer, this.#familyId, NLM_F.request | NLM_F.dump, message),
      );
      return answers.map((answer) => {
        const decoded = decode(answer);
        if (!decoded.ok) throw new Error(`the kernel's IPVS table is malformed: ${decoded.error.detail}`);
        return decoded.value;
      });
    } catch (error) {
      throw explained(error);
    }
  }

  /**
   * Operations in order, with an outcome for each that was sent. A part of them is written, sent and answered, then the next: thousands
   * need no more memory. Throws HoldfastError `missingCapability`: then nothing was changed.
   */
  batch(operations: readonly Operation[], messagesPerSend: number): BatchResult {
    const outcomes: MessageOutcome[] = [];
    for (let from = 0; from < operations.length; from += messagesPerSend) {
      const part = operations.slice(from, from + messagesPerSend);
      const result = this.#socket.applyBatch((writer) => {
        for (const operation of part) this.#operations.write(writer, operation);
      }, messagesPerSend);
      for (const outcome of result.outcomes) {
        if (outcome.kind === "failed" && outcome.errno === EPERM) throw missingCapability();
        outcomes.push(outcome);
      }
      if (!result.complete) return { complete: false, outcomes };
    }
    return { complete: true, outcomes };
  }

  close(): void {
    this.#socket.close();
  }
}

/** The number of the IPVS family; asking loads the module where the kernel may load one. */
function resolveFamily(socket: NetlinkSocket): number {
  try {
    const [answer] = socket.request((writer) => encodeGetFamily(writer, IPVS_FAMILY_NAME));
    const decoded = answer === undefined ? undefined : decodeFamily(answer);
    if (decoded?.ok !== true) throw new Error("the kernel's answer to CTRL_CMD_GETFAMILY is malformed");
    return decoded.value.id;
  } catch (error) {
    if (error instanceof NetlinkError && error.errno === ENOENT) {
      throw new HoldfastError(
        "ipvsMissing",
        "this kernel has no IPVS: the module ip_vs is not loaded",
        "modprobe ip_vs (and see that /lib/modules has it: minimal kernels leave it out)",
        { cause: error },
      );
    }
    throw error;
  }
}

function explained(error: unknown): unknown {
  return error instanceof NetlinkError && error.errno === EPERM ? missingCapability(error) : error;
}

/** The kernel checks every message: a process that lacks the capability has changed nothing. */
function missingCapability(cause?: NetlinkError): HoldfastError<IpvsErrorCode> {
  return new HoldfastError(
    "missingCapability",
    "the kernel refuses access to the IPVS table: CAP_NET_ADMIN is missing",
    "run as root, or by systemd/holdfast.service",
    { cause },
  );
}
