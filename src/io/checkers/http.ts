import type { Socket, TcpNetConnectOpts } from "node:net";
import type { Client } from "undici";
import type { HttpCheckConfig } from "../../config/check.types.ts";
import { family } from "../../core/ip.ts";
import type { HttpAnswer, ProbeOutcome } from "../../health/types.ts";
import type { TlsContexts } from "../tlsContexts.ts";
import { AnswerReader } from "./answerReader.ts";
import { Attempt, type Running } from "./attempt.ts";
import { failureOf } from "./failure.ts";
import { askAs, recordInto, secured } from "./httpConnection.ts";
import { connectTo, type SocketOpener } from "./path.ts";
import { undici } from "./undici.ts";

/** What is asked, and where. */
export type HttpQuestion = Omit<HttpCheckConfig, "kind" | "logAllFailures">;

/** A socket that connects, and the event that tells that it may be used. */
export interface OpenedSocket {
  readonly socket: Socket;
  readonly ready: "connect" | "secureConnect";
}

/** How it is asked; without `open` as the question's path and `tls` say, else by HTTPS. `open` may throw: the probe could not run. */
export interface HttpManner {
  readonly open?: (options: TcpNetConnectOpts) => OpenedSocket;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One for all: Node writes out the stack of every error that a socket is destroyed with. */
const PROBE_OVER = new Error("the probe is over");

const HEADERS = { "user-agent": "holdfast", accept: "*/*" };

/** What a prober has of the host. */
export interface HttpHost {
  readonly addon: () => SocketOpener;
  readonly contexts: TlsContexts;
  readonly running: Set<Running>;
}

/**
 * HTTP_GET and SSL_GET: the urls in order, each on a connection of its own (Patroni closes after every answer anyway),
 * stopping at the first status that is not an expected one. Redirects are answers, not followed.
 *
 * One undici Client for each probe, so that no probe waits behind another. undici's timeouts are off: they are 0.5 to 1 s
 * late, and an abort is ignored while connecting. Instead `connect` is ours and holds the socket, and one deadline over the
 * whole probe, all urls, destroys it.
 */
export class HttpProber {
  private readonly question: HttpQuestion;
  private readonly parts: HttpHost & { readonly manner: HttpManner };
  private client: Client | undefined;
  private run: HttpRun | undefined;
  /** undici, in whose midst an outcome comes, is not done with the answer before. */
  private ending = false;

  constructor(question: HttpQuestion, host: HttpHost, manner: HttpManner = {}) {
    this.question = question;
    this.parts = { ...host, manner };
  }

  /** One probe at a time; `done` is called once, never before this returns. */
  start(done: (outcome: ProbeOutcome) => void): void {
    // Put at once, a question that is due already (the one before took long) would end in an assertion of undici's, and the daemon with it.
    if (this.ending) {
      setImmediate(() => this.start(done));
      return;
    }
    if (this.run !== undefined) {
      setImmediate(() => done(failureOf(new Error("the probe before has not ended"))));
      return;
    }
    const attempt = new Attempt(this.question.timing, {
      running: this.parts.running,
      done: (outcome) => this.end(() => done(outcome)),
    });
    attempt.try(() => {
      this.client ??= this.createClient();
      this.run = new HttpRun(this.question, { ...this.parts, client: this.client, attempt });
      this.run.next();
    });
  }

  private createClient(): Client {
    const { connectIp, connectPort, tls } = this.question;
    const address = family(connectIp) === 6 ? `[${connectIp}]` : connectIp;
    const scheme = tls === undefined && this.parts.manner.open === undefined ? "http" : "https";
    return new (undici().Client)(`${scheme}://${address}:${connectPort}`, {
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
  }

  /** The table that waits for an outcome does not wait for undici, which closes its connection first. */
  private end(tell: () => void): void {
    this.run = undefined;
    this.ending = true;
    setImmediate(() => {
      this.ending = false;
    });
    try {
      tell();
    } catch (error) {
      // undici would take it for the answer's, and nobody would hear of it.
      process.nextTick(() => {
        throw error;
      });
    }
  }

  /** Ends what undici keeps; a probe that runs is ended by whoever holds `running`. */
  close(): void {
    this.client?.destroy().catch(() => undefined);
  }
}

type ConnectCallback = (...result: [null, Socket] | [Error, null]) => void;

/** A connection on its way: its sockets, the outermost first, and what is against it when it stands. */
interface Opening {
  readonly sockets: readonly [Socket, ...Socket[]];
  readonly ready: OpenedSocket["ready"];
  readonly fault: () => Error | undefined;
}

/** One probe: the urls, one after the other. */
class HttpRun {
  private readonly question: HttpQuestion;
  private readonly parts: HttpProber["parts"] & { readonly client: Client; readonly attempt: Attempt };
  private readonly answers: HttpAnswer[] = [];
  /** Everything that came on the connection, for a regex. */
  private received: Buffer[] | undefined;

  constructor(question: HttpQuestion, parts: HttpRun["parts"]) {
    this.question = question;
    this.parts = parts;
  }

  connect(callback: ConnectCallback): void {
    const { question } = this;
    let over = false;
    this.received = question.urls[this.answers.length]?.regex === undefined ? undefined : [];
    const connected = (error: Error | undefined, socket: Socket): void => {
      if (over) return;
      over = true;
      if (error !== undefined) {
        callback(error, null);
        return;
      }
      askAs(question.httpProtocol, socket);
      if (this.received !== undefined) recordInto(this.received, socket);
      callback(null, socket);
    };
    try {
      const { sockets, ready, fault } = this.open();
      const [socket] = sockets;
      this.parts.attempt.onEnd(() => {
        for (const each of sockets) each.destroy(PROBE_OVER);
      });
      // undici listens one microtask after it got the socket; an error between must not be an uncaught one.
      for (const each of sockets) each.on("error", (error) => connected(error, socket));
      socket.once(ready, () => connected(fault(), socket));
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)), null);
    }
  }

  private open(): Opening {
    const { question } = this;
    const { manner, contexts, addon } = this.parts;
    const noFault = (): undefined => undefined;
    if (manner.open !== undefined) {
      const { connectIp: host, connectPort: port, bindIp } = question;
      const from = bindIp === undefined ? {} : { localAddress: bindIp };
      const { socket, ready } = manner.open({ host, port, noDelay: true, ...from });
      return { sockets: [socket], ready, fault: noFault };
    }
    // What is wrong with the files shows before anything is opened.
    const context = question.tls === undefined ? undefined : contexts.of(question.tls);
    const plain = connectTo(question, addon);
    if (context === undefined) return { sockets: [plain], ready: "connect", fault: noFault };
    const url = question.urls[this.answers.length];
    const { socket, fault } = secured(plain, { tls: question.tls, url }, context);
    // Outermost first: Node 20 crashes when the socket under TLS goes while the handshake's end is told.
    return { sockets: [socket, plain], ready: "secureConnect", fault };
  }

  /** Asks the next url, or ends when all are answered. */
  next(): void {
    const { attempt, client, manner } = this.parts;
    const url = this.question.urls[this.answers.length];
    if (url === undefined) {
      attempt.settle({ kind: "answered", answers: this.answers });
      return;
    }
    const reader = new AnswerReader(
      url,
      () => this.received ?? [],
      (result) => {
        if (attempt.settled) return;
        if ("failure" in result) {
          attempt.settle(result.failure);
          return;
        }
        this.answers.push(result.answer);
        const { status } = result.answer;
        const expected = url.statusCodes.some(({ from, to }) => status >= from && status <= to);
        if (expected) this.next();
        else attempt.settle({ kind: "answered", answers: this.answers });
      },
    );
    const host = url.virtualHost === undefined ? {} : { host: url.virtualHost };
    client.dispatch({ path: url.path, method: "GET", headers: { ...HEADERS, ...manner.headers, ...host } }, reader);
  }
}
