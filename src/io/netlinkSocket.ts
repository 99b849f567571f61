import { HoldfastError } from "../core/errors.ts";
import {
  type Acknowledgement,
  decodeAcknowledgement,
  decodeDone,
  decodeMessages,
  type NetlinkMessage,
  NLM_F,
  NLMSG,
} from "../wire/netlink/message.ts";
import { type MessageSpan, MessageWriter } from "../wire/netlink/writer.ts";
import { errnoName, isNativeError } from "./addon.ts";
import type { NativeAddon, NativeSocket, ReceivedMessage } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import {
  DATAGRAM_BYTES_MAX,
  DATAGRAMS_PER_RECEIVE,
  isFromKernel,
  openNetlink,
  RECEIVE_BUFFER_BYTES_DEFAULT,
} from "./netlinkOpen.ts";
import { intOption } from "./sockaddr.ts";
import { setSendBuffer } from "./socketSetup.ts";

export type NetlinkErrorCode =
  /** The kernel answered with an errno. */
  | "netlinkRefused"
  /** No answer in time: it got lost, or the kernel is stuck. */
  | "netlinkNoAnswer"
  /** The table changed during every one of several dumps. Worth another try later. */
  | "netlinkDumpInterrupted"
  /** Answers were lost, since the socket's buffer was full (ENOBUFS). Worth another try. */
  | "netlinkOverrun"
  /** Bytes that are no netlink messages: a defect of ours. */
  | "netlinkMalformed";

export class NetlinkError extends HoldfastError<NetlinkErrorCode> {
  /** Positive; of `netlinkRefused`. */
  readonly errno: number | undefined;

  constructor(code: NetlinkErrorCode, message: string, errno?: number) {
    super(code, message);
    this.name = "NetlinkError";
    this.errno = errno;
  }
}

/** What became of one message of a batch. */
export type MessageOutcome =
  | { readonly kind: "applied" }
  /** The kernel refused this one and went on with the next. `text` is its own explanation, if any. */
  | { readonly kind: "failed"; readonly errno: number; readonly code: string; readonly text: string | undefined }
  /** Sent, but answers were lost: applied or not. */
  | { readonly kind: "unknown" }
  /** Not sent, since something went wrong before. */
  | { readonly kind: "notSent" };

const APPLIED: MessageOutcome = { kind: "applied" };
const UNKNOWN: MessageOutcome = { kind: "unknown" };
const NOT_SENT: MessageOutcome = { kind: "notSent" };

export interface BatchResult {
  /** False: some outcome is unknown or not sent. Dump again before anything is built on it. */
  readonly complete: boolean;
  /** One for each message, in order. */
  readonly outcomes: readonly MessageOutcome[];
}

export interface NetlinkSocketOptions {
  /** LINUX.NETLINK_ROUTE or LINUX.NETLINK_GENERIC. */
  readonly protocol: number;
  /** The kernel holds twice that. Default 4 MiB. */
  readonly receiveBufferBytes?: number;
  /** How long an answer may take. Answers are there when a send returns; a contended lock of the kernel can delay a dump. Default 5 000. */
  readonly timeoutMs?: number;
  /** Dumps are narrowed to what their request says (NETLINK_GET_STRICT_CHK); Linux before 4.20 answers with everything. */
  readonly narrowDumps?: boolean;
}

const TIMEOUT_MS_DEFAULT = 5_000;
const SEND_BUFFER_BYTES = 1 << 20;
/** What one sendmsg carries at most, far below the send buffer (which the kernel doubles) even when it cannot be enlarged. */
const CHUNK_BYTES_MAX = 128 << 10;
const CHUNK_MESSAGES_DEFAULT = 64;
/** Of the receive buffer: the default one of 212,992 bytes holds 256 refusals. */
const BYTES_PER_ANSWER = 832;
const DUMP_ATTEMPTS = 5;

/**
 * Synchronous requests to the kernel by netlink(7): when a call returns, the kernel has done it. One user at a time,
 * never two sockets' answers mixed: each socket has its own port and its own ever-growing sequence numbers.
 */
export class NetlinkSocket {
  /** Datagrams from other processes instead of the kernel: never read, only counted. */
  foreignDatagrams = 0;
  /** Dumps that were repeated because the table changed meanwhile. */
  dumpsInterrupted = 0;
  readonly #addon: NativeAddon;
  readonly #socket: NativeSocket;
  readonly #timeoutMs: number;
  readonly #writer = new MessageWriter();
  /** How many answers the receive buffer holds: what is refused is told message by message. */
  readonly #answersHeld: number;

  /** Throws NativeError: EPROTONOSUPPORT where the kernel lacks the protocol, EMFILE. */
  constructor(options: NetlinkSocketOptions, modules: { readonly addon: NativeAddon }) {
    this.#addon = modules.addon;
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS_DEFAULT;
    const receiveBufferBytes = options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES_DEFAULT;
    this.#socket = openNetlink(options.protocol, receiveBufferBytes, modules.addon, (socket) => {
      // Refusals name the request by its header alone (smaller answers) and explain themselves in words.
      socket.setOption(LINUX.SOL_NETLINK, LINUX.NETLINK_CAP_ACK, intOption(1));
      socket.setOption(LINUX.SOL_NETLINK, LINUX.NETLINK_EXT_ACK, intOption(1));
      if (options.narrowDumps === true) narrowDumps(socket);
      setSendBuffer(socket, SEND_BUFFER_BYTES);
    });
    const held = this.#socket.getOption(LINUX.SOL_SOCKET, LINUX.SO_RCVBUF, 4).readInt32LE(0);
    this.#answersHeld = Math.max(1, Math.floor(held / BYTES_PER_ANSWER));
  }

  /**
   * Sends the one message that `encode` writes and returns what the kernel answers before its acknowledgement (for a
   * GET: one message). Throws NetlinkError.
   */
  request(encode: (writer: MessageWriter) => void): NetlinkMessage[] {
    const span = this.#writeOne(encode);
    this.#writer.addFlags(span, NLM_F.ack);
    this.#send(span.offset, span.length);
    const answers: NetlinkMessage[] = [];
    this.#receiveUntil((message) => {
      if (message.sequence !== span.sequence) return false;
      if (message.type !== NLMSG.error) {
        answers.push(message);
        return false;
      }
      this.#refuseUnlessDone(acknowledgementOf(message));
      return true;
    });
    return answers;
  }

  /**
   * Sends the one dump request (NLM_F_DUMP) that `encode` writes and returns all of its answers. A dump during which the
   * table changed (NLM_F_DUMP_INTR) is a mixture of two states: it is thrown away and asked for again, a few times.
   * Throws NetlinkError.
   */
  dump(encode: (writer: MessageWriter) => void): NetlinkMessage[] {
    for (let attempt = 0; attempt < DUMP_ATTEMPTS; attempt++) {
      const { answers, interrupted } = this.#dumpOnce(encode);
      if (!interrupted) return answers;
      this.dumpsInterrupted++;
    }
    throw new NetlinkError("netlinkDumpInterrupted", `the table changed during each of ${DUMP_ATTEMPTS} dumps`);
  }

  /**
   * Sends the messages that `encode` writes, in order, `messagesPerSend` (default 64) in one sendmsg, fewer where their
   * refusals would not fit the receive buffer; the kernel applies them one by one and goes on after a refusal. Only the last message of each send is acknowledged: its answer says that
   * all before it were seen, since a message of a wrong length silently ends a batch. Answers are read between sends.
   * After a lost answer nothing more is sent. Throws NetlinkError only for malformed answers.
   */
  applyBatch(encode: (writer: MessageWriter) => void, messagesPerSend: number = CHUNK_MESSAGES_DEFAULT): BatchResult {
    this.#writer.clear();
    encode(this.#writer);
    const { count } = this.#writer;
    const outcomes: MessageOutcome[] = [];
    while (outcomes.length < count) {
      const to = this.#endOfChunk(outcomes.length, Math.min(messagesPerSend, this.#answersHeld));
      if (this.#applyChunk(outcomes.length, to, outcomes)) continue;
      while (outcomes.length < count) outcomes.push(NOT_SENT);
      return { complete: false, outcomes };
    }
    return { complete: true, outcomes };
  }

  close(): void {
    this.#socket.close();
  }

  #writeOne(encode: (writer: MessageWriter) => void): MessageSpan {
    this.#writer.clear();
    encode(this.#writer);
    if (this.#writer.count !== 1) throw new Error("one message was to be written");
    return this.#writer.span(0);
  }

  #dumpOnce(encode: (writer: MessageWriter) => void): { answers: NetlinkMessage[]; interrupted: boolean } {
    const span = this.#writeOne(encode);
    this.#send(span.offset, span.length);
    const answers: NetlinkMessage[] = [];
    let interrupted = false;
    this.#receiveUntil((message) => {
      if (message.sequence !== span.sequence) return false;
      if ((message.flags & NLM_F.dumpInterrupted) !== 0) interrupted = true;
      switch (message.type) {
        case NLMSG.error:
          this.#refuseUnlessDone(acknowledgementOf(message));
          return false;
        case NLMSG.done:
          this.#refuseUnlessDone({ sequence: span.sequence, ...understood(decodeDone(message)) });
          return true;
        default:
          answers.push(message);
          return false;
      }
    });
    return { answers, interrupted };
  }

  /** The place behind the last message that goes into one send with the one at `from`. */
  #endOfChunk(from: number, messagesMax: number): number {
    const endOffset = this.#writer.offsetOf(from) + CHUNK_BYTES_MAX;
    const end = Math.min(from + messagesMax, this.#writer.count);
    let to = from + 1;
    while (to < end && this.#writer.offsetOf(to + 1) <= endOffset) to++;
    return to;
  }

  /** Sends the messages from `from` up to `to` and appends their outcomes; false where one of these is unknown or not sent. */
  #applyChunk(from: number, to: number, outcomes: MessageOutcome[]): boolean {
    const offset = this.#writer.offsetOf(from);
    this.#writer.addFlags(this.#writer.span(to - 1), NLM_F.ack);
    try {
      this.#send(offset, this.#writer.offsetOf(to) - offset);
    } catch (error) {
      // EMSGSIZE, or no memory for the copy: nothing of it was applied.
      if (isNativeError(error)) return false;
      throw error;
    }
    const refused = new Map<number, MessageOutcome>();
    const answered = this.#collectAnswers(from, to, refused);
    const unanswered = answered ? APPLIED : UNKNOWN;
    for (let place = from; place < to; place++) outcomes.push(refused.get(place) ?? unanswered);
    return answered;
  }

  /** Fills `refused` by the messages' places; true when the last message was answered and no answer was lost. */
  #collectAnswers(from: number, to: number, refused: Map<number, MessageOutcome>): boolean {
    const onMessage = (message: NetlinkMessage): boolean => {
      if (message.type !== NLMSG.error) return false;
      const place = this.#writer.placeOf(message.sequence);
      if (place < from || place >= to) return false;
      const acknowledgement = acknowledgementOf(message);
      if (acknowledgement.errno !== 0) refused.set(place, this.#failure(acknowledgement));
      return place === to - 1;
    };
    try {
      this.#receiveUntil(onMessage);
      return true;
    } catch (error) {
      if (!(error instanceof NetlinkError) || error.code === "netlinkMalformed") throw error;
      // What is left in the buffer still tells of refusals; that some are missing is already known.
      for (const message of this.#receiveWaiting()) onMessage(message);
      return false;
    }
  }

  #failure(acknowledgement: Acknowledgement): MessageOutcome {
    const { errno, text } = acknowledgement;
    return { kind: "failed", errno, code: errnoName(errno, this.#addon), text };
  }

  #refuseUnlessDone(acknowledgement: Acknowledgement): void {
    const { errno, text } = acknowledgement;
    if (errno === 0) return;
    const explanation = text === undefined ? "" : `: ${text}`;
    throw new NetlinkError(
      "netlinkRefused",
      `the kernel refused: ${errnoName(errno, this.#addon)}${explanation}`,
      errno,
    );
  }

  #send(offset: number, length: number): void {
    this.#socket.send(this.#writer.bytes, offset, length, undefined);
  }

  /** Feeds messages of the kernel to `onMessage` until it returns true. Throws NetlinkError. */
  #receiveUntil(onMessage: (message: NetlinkMessage) => boolean): void {
    const deadlineUs = this.#addon.monotonicUs() + this.#timeoutMs * 1_000;
    for (;;) {
      const leftMs = Math.ceil((deadlineUs - this.#addon.monotonicUs()) / 1_000);
      if (leftMs <= 0 || !this.#socket.waitReadable(leftMs)) {
        throw new NetlinkError("netlinkNoAnswer", `the kernel did not answer within ${this.#timeoutMs} ms`);
      }
      let done = false;
      for (const message of this.#receive()) done = onMessage(message) || done;
      if (done) return;
    }
  }

  #receive(): NetlinkMessage[] {
    try {
      return this.#messagesOf(this.#socket.receive(DATAGRAMS_PER_RECEIVE, DATAGRAM_BYTES_MAX));
    } catch (error) {
      if (!isNativeError(error, "ENOBUFS")) throw error;
      throw new NetlinkError("netlinkOverrun", "answers of the kernel were lost: the receive buffer was full");
    }
  }

  /** What is in the buffer now, beyond any error. */
  #receiveWaiting(): NetlinkMessage[] {
    const messages: NetlinkMessage[] = [];
    while (this.#socket.waitReadable(0)) {
      try {
        messages.push(...this.#receive());
      } catch (error) {
        if (!(error instanceof NetlinkError) || error.code !== "netlinkOverrun") throw error;
      }
    }
    return messages;
  }

  #messagesOf(datagrams: readonly ReceivedMessage[]): NetlinkMessage[] {
    const messages: NetlinkMessage[] = [];
    for (const datagram of datagrams) {
      if (!isFromKernel(datagram)) this.foreignDatagrams++;
      else messages.push(...decodeDatagram(datagram));
    }
    return messages;
  }
}

function narrowDumps(socket: NativeSocket): void {
  try {
    socket.setOption(LINUX.SOL_NETLINK, LINUX.NETLINK_GET_STRICT_CHK, intOption(1));
  } catch (error) {
    if (!isNativeError(error, "ENOPROTOOPT")) throw error;
  }
}

function decodeDatagram(datagram: ReceivedMessage): NetlinkMessage[] {
  if ((datagram.flags & LINUX.MSG_TRUNC) !== 0) {
    throw new NetlinkError("netlinkMalformed", `an answer was longer than ${DATAGRAM_BYTES_MAX} bytes`);
  }
  return understood(decodeMessages(datagram.data));
}

const acknowledgementOf = (message: NetlinkMessage): Acknowledgement => understood(decodeAcknowledgement(message));

/** The value of a decoded answer; throws NetlinkError `netlinkMalformed`. */
export function understood<Value>(
  decoded:
    | { readonly ok: true; readonly value: Value }
    | { readonly ok: false; readonly error: { readonly detail: string } },
): Value {
  if (decoded.ok) return decoded.value;
  throw new NetlinkError("netlinkMalformed", `an answer of the kernel is not understood: ${decoded.error.detail}`);
}
