import { createHash, type Hash } from "node:crypto";
import type { Dispatcher } from "undici";
import type { HttpUrlConfig } from "../../config/check.types.ts";
import { BODY_LIMIT_BYTES, type HttpAnswer, type ProbeOutcome } from "../../health/types.ts";
import { failureOf } from "./failure.ts";
import { REGEX_LIMIT_BYTES, searchRegex } from "./regexSearch.ts";

export type ReadResult = { readonly answer: HttpAnswer } | { readonly failure: ProbeOutcome };

/** Collects one answer. What is beyond the limit of its body is read only for its digest and for a regex. */
export class AnswerReader implements Dispatcher.DispatchHandler {
  private readonly url: HttpUrlConfig;
  private readonly done: (result: ReadResult) => void;
  private readonly chunks: Buffer[] = [];
  private readonly received: () => readonly Buffer[];
  private readonly hash: Hash | undefined;
  private status = 0;
  private bytes = 0;
  private finished = false;

  /** @param received what came on the connection, head included; only where the url has a regex */
  constructor(url: HttpUrlConfig, received: () => readonly Buffer[], done: (result: ReadResult) => void) {
    this.url = url;
    this.received = received;
    this.done = done;
    this.hash = url.digest === undefined ? undefined : createHash("md5");
  }

  onRequestStart(): void {
    // Part of what undici asks of a handler; there is nothing to prepare.
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number): void {
    this.status = status;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = Math.max(0, BODY_LIMIT_BYTES - this.bytes);
    if (room > 0) this.chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    this.bytes += chunk.length;
    this.hash?.update(chunk);
    const limit = this.url.regex === undefined ? BODY_LIMIT_BYTES : REGEX_LIMIT_BYTES;
    if (this.bytes <= limit || this.hash !== undefined) return;
    this.finish();
    controller.abort(new Error("the body is longer than what is read"));
  }

  onResponseEnd(): void {
    this.finish();
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    if (this.finished) return;
    this.finished = true;
    this.done({ failure: failureOf(error) });
  }

  private finish(): void {
    if (this.finished) return;
    this.finished = true;
    const { url, status } = this;
    const body = Buffer.concat(this.chunks);
    this.done({
      answer: {
        path: url.path,
        status,
        body: body.toString("utf8"),
        bodyTruncated: this.bytes > BODY_LIMIT_BYTES,
        ...(this.hash === undefined ? {} : { digest: this.hash.digest("hex") }),
        ...(url.regex === undefined ? {} : { match: searchRegex(url.regex, Buffer.concat(this.received())) }),
      },
    });
  }
}
