import { createHash, timingSafeEqual } from "node:crypto";
import { closeSync, constants, fstatSync, openSync, readSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import type { KickConfig } from "../config/types.ts";
import { HoldfastError } from "../core/errors.ts";
import type { KickAnswers, KickOutcome } from "../core/kicks.ts";

/** A callback of each of some clusters; whoever opens more waits for nothing of ours. */
const CONNECTIONS_MAX = 16;
const REQUEST_TIMEOUT_MS = 5_000;
const HEADER_BYTES_MAX = 8_192;
const SERVICES_MAX = 64;
const TOKEN_BYTES_MIN = 16;
const TOKEN_BYTES_MAX = 255;

export const KICK_PATH = "/kick";

/**
 * Answers `POST /kick` with the token of the configuration's file, and nothing else: 202 with what is asked now, 400 where a service
 * is unknown, 401 without the token, 404 elsewhere, 405 for other methods, 431 for more than `SERVICES_MAX` services. A body is not
 * read. Rejects with HoldfastError `kickToken` or `kickListen`.
 */
export async function serveKicks(
  { address, port, tokenFile }: KickConfig,
  answers: KickAnswers,
): Promise<{ close(): Promise<void>; readonly port: number }> {
  const expected = digest(readToken(tokenFile));
  const limits = {
    requestTimeout: REQUEST_TIMEOUT_MS,
    headersTimeout: REQUEST_TIMEOUT_MS,
    // Node looks for connections that are silent only every 30 s otherwise.
    connectionsCheckingInterval: REQUEST_TIMEOUT_MS,
    maxHeaderSize: HEADER_BYTES_MAX,
  };
  const server = createServer(limits, (request, response) => {
    request.resume();
    const { status, outcome, text, headers } = reply(request, expected, answers);
    answers.answered(outcome);
    // Nobody asks twice in a row: a connection that stays would only take another's place.
    const common = { "content-type": "text/plain; charset=utf-8", connection: "close" };
    response.writeHead(status, { ...common, ...headers }).end(`${text}\n`);
  });
  server.maxConnections = CONNECTIONS_MAX;
  await new Promise<void>((resolve, reject) => {
    // For good: a connection that cannot be accepted later must not end the daemon.
    server.on("error", (cause) =>
      reject(new HoldfastError("kickListen", `cannot listen: ${cause.message}`, undefined, { cause })),
    );
    server.listen({ port, host: address }, resolve);
  });
  const close = (): Promise<void> =>
    new Promise((done) => {
      server.close(() => done());
      server.closeAllConnections();
    });
  const taken = server.address();
  return { close, port: typeof taken === "object" && taken !== null ? taken.port : port };
}

interface Reply {
  readonly status: number;
  readonly outcome: KickOutcome;
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

function reply(request: IncomingMessage, expected: Buffer, answers: KickAnswers): Reply {
  const [path, query = ""] = (request.url ?? "").split("?", 2);
  if (path !== KICK_PATH) return { status: 404, outcome: "notFound", text: `only ${KICK_PATH} is here` };
  if (request.method !== "POST")
    return { status: 405, outcome: "methodNotAllowed", text: "POST it", headers: { allow: "POST" } };
  if (!isAuthorized(request.headers.authorization, expected)) {
    const headers = { "www-authenticate": "Bearer" };
    return { status: 401, outcome: "unauthorized", text: "the token is missing or wrong", headers };
  }
  const services = new URLSearchParams(query).getAll("service");
  if (services.length > SERVICES_MAX)
    return { status: 431, outcome: "tooMuch", text: `more than ${SERVICES_MAX} services` };
  const result = answers.kick(services, `HTTP from ${request.socket.remoteAddress ?? "a connection that has ended"}`);
  return result.ok
    ? { status: 202, outcome: "kicked", text: result.lines.join("\n") }
    : { status: 400, outcome: "refused", text: result.error };
}

/** RFC 6750, 2.1. Digests are compared, which have one length, in a time that tells nothing of where they differ. */
function isAuthorized(header: string | undefined, expected: Buffer): boolean {
  const token = /^Bearer +([\x21-\x7e]+) *$/i.exec(header ?? "")?.[1] ?? "";
  return timingSafeEqual(digest(token), expected) && token !== "";
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();

/** The first line. Throws HoldfastError for a file that holds no secret. */
function readToken(path: string): string {
  const refuse = (what: string, remedy: string, cause?: unknown): HoldfastError =>
    new HoldfastError("kickToken", `kick_token_file ${path}: ${what}`, remedy, { cause });
  let token: string;
  try {
    const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const status = fstatSync(descriptor);
      if (!status.isFile()) throw refuse("is no regular file", "name a file");
      if ((status.mode & 0o007) !== 0) throw refuse("is open to everybody", `chmod 640 ${path}`);
      const bytes = Buffer.alloc(TOKEN_BYTES_MAX + 2);
      token = bytes.toString("latin1", 0, readSync(descriptor, bytes)).split("\n", 1)[0]?.trimEnd() ?? "";
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (error instanceof HoldfastError) throw error;
    throw refuse(`cannot be read: ${(error as Error).message}`, "let the daemon's user read it", error);
  }
  if (!/^[\x21-\x7e]+$/.test(token) || token.length < TOKEN_BYTES_MIN || token.length > TOKEN_BYTES_MAX) {
    const rule = `its first line is not ${TOKEN_BYTES_MIN} to ${TOKEN_BYTES_MAX} printable characters without spaces`;
    throw refuse(rule, `openssl rand -hex 32 > ${path}`);
  }
  return token;
}
