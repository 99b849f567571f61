import type { CheckPath } from "../../config/check.types.ts";
import type { ProbeOutcome } from "../../health/types.ts";
import type { NativeError } from "../addon.types.ts";
import type { Attempt } from "./attempt.ts";
import { openConnected, type SocketOpener } from "./path.ts";

const MESSAGES_AT_ONCE = 8;
const MESSAGE_BYTES_MAX = 65_535;

/** What a probe asks by one datagram, and what it takes for the answer. */
export interface Question {
  readonly type: number;
  readonly protocol: number;
  readonly datagram: Uint8Array;
  /** Undefined: not the answer to this question; it goes on waiting. */
  read(datagram: Buffer): ProbeOutcome | undefined;
}

/** Asks once and waits for the answer or an ICMP error, on a connected socket of its own that hears nobody else. */
export function ask(path: CheckPath, question: Question, attempt: Attempt, addon: () => SocketOpener): void {
  const socket = openConnected(path, question, addon);
  attempt.onEnd(() => socket.close());
  const fail = (error: NativeError): void => attempt.fail(error);
  socket.startReceiving(
    MESSAGES_AT_ONCE,
    MESSAGE_BYTES_MAX,
    (messages) => {
      for (const { data } of messages) {
        const outcome = attempt.settled ? undefined : question.read(data);
        if (outcome !== undefined) attempt.settle(outcome);
      }
    },
    fail,
  );
  socket.send(question.datagram, 0, question.datagram.length, undefined);
}
