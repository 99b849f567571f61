import { isIP, type Socket } from "node:net";
import { connect as connectTls, type SecureContext, type TLSSocket } from "node:tls";
import type { HttpCheckConfig, HttpProtocol, HttpUrlConfig } from "../../config/check.types.ts";
import { REGEX_LIMIT_BYTES } from "./regexSearch.ts";

/** A connection as undici is given it: TLS where the check wants it, and the version of HTTP. */

/** Why a certificate is not trusted; its message says it in OpenSSL's words. */
export class UntrustedError extends Error {
  readonly code = "HOLDFAST_UNTRUSTED";
}

/**
 * TLS over a socket that connects. The certificate is verified against `ca` where one is written, and nothing is asked of
 * its name: the check goes to an address.
 */
export function secured(
  socket: Socket,
  { tls, url }: { readonly tls: HttpCheckConfig["tls"]; readonly url: HttpUrlConfig | undefined },
  secureContext: SecureContext,
): { readonly socket: TLSSocket; readonly fault: () => Error | undefined } {
  const over = connectTls({
    socket,
    secureContext,
    servername: tls?.sendServerName === true ? serverName(url?.virtualHost) : "",
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  const fault = (): Error | undefined =>
    tls?.ca === undefined || over.authorized ? undefined : new UntrustedError(String(over.authorizationError));
  return { socket: over, fault };
}

/** RFC 6066 3: a DNS name, never an address; "" sends none. */
function serverName(virtualHost = ""): string {
  const name = virtualHost.replace(/:\d+$/, "");
  return isIP(name.replace(/^\[|\]$/g, "")) === 0 ? name : "";
}

/**
 * undici asks in HTTP/1.1 alone. The first thing that it writes is the head of its request: there the version is another one,
 * and `Connection: close`, which belongs to 1.1, goes with it.
 */
export function askAs(protocol: HttpProtocol | undefined, socket: Socket): void {
  if (protocol === undefined || protocol === "1.1") return;
  const write = socket.write.bind(socket) as (head: unknown, ...rest: unknown[]) => boolean;
  socket.write = (head: unknown, ...rest: unknown[]): boolean => {
    socket.write = write as Socket["write"];
    return write(typeof head === "string" ? headOf(protocol, head) : head, ...rest);
  };
}

function headOf(protocol: HttpProtocol, head: string): string {
  const old = head.replace(" HTTP/1.1\r\n", " HTTP/1.0\r\n");
  return protocol === "1.0C" ? old : old.replace(/^connection: [^\r]*\r\n/im, "");
}

/**
 * Keeps what undici reads: a regex of keepalived's searches status line, headers and body as they came, chunks and all.
 * undici takes everything by `read` (its parser is fed by hand).
 */
export function recordInto(received: Buffer[], socket: Socket): void {
  const read = socket.read.bind(socket);
  let bytes = 0;
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (chunk instanceof Buffer && bytes <= REGEX_LIMIT_BYTES) {
      bytes += chunk.length;
      received.push(chunk);
    }
    return chunk;
  };
}
