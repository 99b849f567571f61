import { connect, type Socket, type TcpNetConnectOpts } from "node:net";
import { Client, type Dispatcher } from "undici";
import type { HttpCheckConfig } from "../../config/check.types.ts";
import { family } from "../../core/ip.ts";
import { toMilliseconds } from "../../core/units.ts";
import { BODY_LIMIT_BYTES, type HttpAnswer, type ProbeOutcome } from "../../health/types.ts";
import { armDeadline, failureOf, TIMED_OUT } from "./failure.ts";

/** What is asked, and where. */
export type HttpQuestion = Pick<HttpCheckConfig, "connectIp" | "connectPort" | "bindIp" | "urls" | "timing">;

/** A socket that connects, and the event that tells that it may be used. */
export interface OpenedSocket {
  readonly socket: Socket;
  readonly ready: "connect" | "secureConnect";
}

/** How it is asked; without `open` by plain TCP, that is HTTP, else by HTTPS. `open` may throw: the probe could not run. */
export interface HttpManner {
  readonly open?: (options: TcpNetConnectOpts) => OpenedSocket;
  readonly headers?: Readonly<Record<string, string>>;
}

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
  private readonly question: HttpQuestion;
  private readonly manner: HttpManner & { readonly client: Client };
  private run: HttpRun | undefined;

  constructor(question: HttpQuestion, manner: HttpManner = {}) {
    const { connectIp, connectPort } = question;
    const host = family(connectIp) === 6 ? `[${connectIp}]` : connectIp;
    const scheme = manner.open === undefined ? "http" : "https";
    const client = new Client(`${scheme}://${host}:${connectPort}`, {
      pipelining: 0,
      headersTimeout: 0,
      bodyTimeout: 0,
      connectTimeout: 0,
      connect: (_, callback) => {
        const { run } = this;
        if (run === undefined) callback(new Error("no probe runs"), null);
        else run.connect(callback);
      },
    });
    this.question = question;
    this.manner = { ...manner, client };
  }

  /** One probe at a time; `done` is called once, never before this returns. */
  start(done: (outcome: ProbeOutcome) => void): void {
    if (this.run !== undefined) {
      setImmediate(() => done(failureOf(new Error("the probe before has not ended"))));
      return;
    }
    const run = new HttpRun(this.question, this.manner, (outcome) => {
      this.run = undefined;
      done(outcome);
    });
    this.run = run;
    run.next();
  }

  /** Ends a running probe as one that could not run. */
  close(): void {
    this.run?.settle(failureOf(new Error("the checker was closed")));
    this.manner.client.destroy().catch(() => undefined);
  }
}

type ConnectCallback = (...result: [null, Socket] | [Error, null]) => void;

/** One probe: the urls, one after the other, under one deadline. */
class HttpRun {
  private readonly question: HttpQuestion;
  private readonly manner: HttpManner & { readonly client: Client };
  private readonly done: (outcome: ProbeOutcome) => void;
  private readonly disarm: () => void;
  private readonly answers: HttpAnswer[] = [];
  private socket: Socket | undefined;
  private settled = false;
  private dispatching = false;

  constructor(
    question: HttpQuestion,
    manner: HttpManner & { readonly client: Client },
    done: (outcome: ProbeOutcome) => void,
  ) {
    this.question = question;
    this.manner = manner;
    this.done = done;
    this.disarm = armDeadline(toMilliseconds(question.timing.connectTimeout), () => this.settle(TIMED_OUT));
  }

  connect(callback: ConnectCallback): void {
    const { connectIp: host, connectPort: port, bindIp } = this.question;
    const { open = openPlainly } = this.manner;
    const options = { host, port, noDelay: true, ...(bindIp === undefined ? {} : { localAddress: bindIp }) };
    let opened: OpenedSocket;
    try {
      opened = open(options);
    } catch (error) {
      callback(error as Error, null);
      return;
    }
    const { socket, ready } = opened;
    this.socket = socket;
    const failed = (error: Error): void => callback(error, null);
    // undici listens one microtask after it got the socket; an error between must not be an uncaught one.
    socket.on("error", () => undefined);
    socket.once("error", failed);
    socket.once(ready, () => {
      socket.off("error", failed);
      callback(null, socket);
    });
  }

  /** Asks the next url, or ends when all are answered. */
  next(): void {
    const url = this.question.urls[this.answers.length];
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
    const host = url.virtualHost === undefined ? {} : { host: url.virtualHost };
    const headers = { ...HEADERS, ...this.manner.headers, ...host };
    this.manner.client.dispatch({ path: url.path, method: "GET", headers }, reader);
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

const openPlainly = (options: TcpNetConnectOpts): OpenedSocket => ({ socket: connect(options), ready: "connect" });

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
