import { connect, type Socket } from "node:net";
import { Client, type Dispatcher } from "undici";
import type { HttpCheckConfig } from "../../config/check.types.ts";
import { family } from "../../core/ip.ts";
import { toMilliseconds } from "../../core/units.ts";
import { BODY_LIMIT_BYTES, type HttpAnswer, type ProbeOutcome } from "../../health/types.ts";
import { armDeadline, failureOf, TIMED_OUT } from "./failure.ts";

const HEADERS = { "user-agent": "holdfast", accept: "*/*" };

/**
 * HTTP_GET: the urls in order, each on a connection of its own (Patroni closes after every answer anyway), stopping at the
 * first status that is not an expected one. Redirects are answers, not followed.
 *
 * One undici Client for each probe, so that no probe waits behind another. undici's timeouts are off: they are 0.5 to 1 s
 * late, and an abort is ignored while connecting. Instead `connect` is ours and holds the socket, and one deadline over the
 * whole probe, all urls, destroys it.
 */
export class HttpProber {
  private readonly client: Client;
  private run: HttpRun | undefined;

  constructor(check: HttpCheckConfig) {
    const host = family(check.connectIp) === 6 ? `[${check.connectIp}]` : check.connectIp;
    this.client = new Client(`http://${host}:${check.connectPort}`, {
      pipelining: 0,
      headersTimeout: 0,
      bodyTimeout: 0,
      connectTimeout: 0,
      connect: (_, callback) => {
        const { run } = this;
        if (run === undefined) callback(new Error("no probe runs"), null);
        else run.connect(check, callback);
      },
    });
  }

  /** One probe at a time; `done` is called once, never before this returns. */
  start(check: HttpCheckConfig, done: (outcome: ProbeOutcome) => void): void {
    if (this.run !== undefined) {
      setImmediate(() => done(failureOf(new Error("the probe before has not ended"))));
      return;
    }
    const run = new HttpRun(check, this.client, (outcome) => {
      this.run = undefined;
      done(outcome);
    });
    this.run = run;
    run.next();
  }

  /** Ends a running probe as one that could not run. */
  close(): void {
    this.run?.settle(failureOf(new Error("the checker was closed")));
    this.client.destroy().catch(() => undefined);
  }
}

type ConnectCallback = (...result: [null, Socket] | [Error, null]) => void;

/** One probe: the urls, one after the other, under one deadline. */
class HttpRun {
  private readonly check: HttpCheckConfig;
  private readonly client: Client;
  private readonly done: (outcome: ProbeOutcome) => void;
  private readonly disarm: () => void;
  private readonly answers: HttpAnswer[] = [];
  private socket: Socket | undefined;
  private settled = false;
  private dispatching = false;

  constructor(check: HttpCheckConfig, client: Client, done: (outcome: ProbeOutcome) => void) {
    this.check = check;
    this.client = client;
    this.done = done;
    this.disarm = armDeadline(toMilliseconds(check.timing.connectTimeout), () => this.settle(TIMED_OUT));
  }

  connect(check: HttpCheckConfig, callback: ConnectCallback): void {
    const { connectIp: host, connectPort: port, bindIp } = check;
    const socket = connect({ host, port, noDelay: true, ...(bindIp === undefined ? {} : { localAddress: bindIp }) });
    this.socket = socket;
    const failed = (error: Error): void => callback(error, null);
    // undici listens one microtask after it got the socket; an error between must not be an uncaught one.
    socket.on("error", () => undefined);
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      callback(null, socket);
    });
  }

  /** Asks the next url, or ends when all are answered. */
  next(): void {
    const url = this.check.urls[this.answers.length];
    if (url === undefined) {
      this.settle({ kind: "answered", answers: this.answers });
      return;
    }
    const reader = new AnswerReader(url.path, (result) => {
      if (this.settled) return;
      if ("failure" in result) {
        // undici refuses a path that HTTP does not allow before dispatch returns; outcomes come later than that.
        if (this.dispatching) setImmediate(() => this.settle(result.failure));
        else this.settle(result.failure);
        return;
      }
      this.answers.push(result.answer);
      const { status } = result.answer;
      const expected = url.statusCodes.some(({ from, to }) => status >= from && status <= to);
      if (expected) this.next();
      else this.settle({ kind: "answered", answers: this.answers });
    });
    this.dispatching = true;
    const headers = url.virtualHost === undefined ? HEADERS : { ...HEADERS, host: url.virtualHost };
    this.client.dispatch({ path: url.path, method: "GET", headers }, reader);
    this.dispatching = false;
  }

  settle(outcome: ProbeOutcome): void {
    if (this.settled) return;
    this.settled = true;
    this.disarm();
    this.socket?.destroy(new Error("the probe is over"));
    this.done(outcome);
  }
}

type ReadResult = { readonly answer: HttpAnswer } | { readonly failure: ProbeOutcome };

/** Collects one answer up to the limit of its body; what is beyond is not read. */
class AnswerReader implements Dispatcher.DispatchHandler {
  private readonly path: string;
  private readonly done: (result: ReadResult) => void;
  private readonly chunks: Buffer[] = [];
  private status = 0;
  private bytes = 0;
  private finished = false;

  constructor(path: string, done: (result: ReadResult) => void) {
    this.path = path;
    this.done = done;
  }

  onRequestStart(): void {
    // Part of what undici asks of a handler; there is nothing to prepare.
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    this.status = status;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = BODY_LIMIT_BYTES - this.bytes;
    this.chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    this.bytes += Math.min(chunk.length, room);
    if (chunk.length <= room) return;
    this.finish(true);
    controller.abort(new Error("the body is longer than what is read"));
  }

  onResponseEnd(): void {
    this.finish(false);
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.finished) return;
    this.finished = true;
    this.done({ failure: failureOf(error) });
  }

  private finish(bodyTruncated: boolean): void {
    if (this.finished) return;
    this.finished = true;
    const body = Buffer.concat(this.chunks).toString("utf8");
    this.done({ answer: { path: this.path, status: this.status, body, bodyTruncated } });
  }
}
