import type { ProbeFailure, ProbeOutcome } from "../../health/types.ts";

/** The outcome of a probe that its deadline ended. */
export const TIMED_OUT: ProbeOutcome = { kind: "timedOut", detail: "" };

const FAILURES: Readonly<Record<string, ProbeFailure>> = {
  ECONNREFUSED: "refused",
  ECONNRESET: "reset",
  EPIPE: "reset",
  ECONNABORTED: "reset",
  // undici: the peer closed before the answer was complete.
  UND_ERR_SOCKET: "reset",
  // The kernel's own end of a connection attempt, where connect_timeout is longer.
  ETIMEDOUT: "timedOut",
  EHOSTUNREACH: "unreachable",
  ENETUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETDOWN: "unreachable",
  // Our own finding about a certificate (httpConnection.ts).
  HOLDFAST_UNTRUSTED: "tlsFailed",
  UND_ERR_HEADERS_OVERFLOW: "malformed",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "malformed",
};

/** What Node.js calls failures of a handshake and of certificates (OpenSSL's names, and its own). */
const TLS_FAILURE = /^(ERR_SSL_|ERR_TLS_|CERT_|UNABLE_TO_|INVALID_|EPROTO$|HOSTNAME_MISMATCH$)|SELF_SIGNED/;

/**
 * What an error of connecting, sending or parsing means. Whatever is not known to be the peer's doing (EMFILE, EADDRNOTAVAIL,
 * EPERM from a packet filter of our own, a defect) is `cannotRun`, which counts as a failure under its own name.
 */
export function failureOf(error: unknown): ProbeOutcome {
  const code = errorCode(error);
  const message = error instanceof Error ? error.message : String(error);
  if (error instanceof Error && error.name === "HTTPParserError") return { kind: "malformed", detail: message };
  if (code !== undefined && TLS_FAILURE.test(code)) return { kind: "tlsFailed", detail: message };
  const kind = code === undefined ? undefined : FAILURES[code];
  if (kind === undefined) return { kind: "cannotRun", detail: code === undefined ? message : `${code}: ${message}` };
  return { kind, detail: kind === "malformed" || kind === "tlsFailed" || code === "UND_ERR_SOCKET" ? message : "" };
}

function errorCode(error: unknown): string | undefined {
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}

/**
 * Calls `expired` when `timeoutMs` are over; the returned function disarms it. After a stall of this thread the timer
 * comes before the data that has waited in the sockets meanwhile: one more turn of the loop lets an answer that came in
 * time be one.
 */
export function armDeadline(timeoutMs: number, expired: () => void): () => void {
  let immediate: NodeJS.Immediate | undefined;
  const timer = setTimeout(() => {
    immediate = setImmediate(expired);
  }, timeoutMs);
  return () => {
    clearTimeout(timer);
    clearImmediate(immediate);
  };
}
