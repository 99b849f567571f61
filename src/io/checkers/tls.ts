import type { TcpNetConnectOpts } from "node:net";
import { connect as tlsConnect } from "node:tls";
import type { TlsConfig } from "../../config/check.types.ts";
import type { TlsContexts } from "../tlsContexts.ts";
import type { OpenedSocket } from "./http.ts";

/**
 * Connects by TLS and verifies: the certificate must come from the authorities and carry the name, or the address. Throws what
 * `TlsContexts.of` throws.
 */
export function openVerified(tls: TlsConfig, contexts: TlsContexts, options: TcpNetConnectOpts): OpenedSocket {
  const { serverName, caFile: ca, certificateFile: certificate, keyFile: key } = tls;
  const named = serverName === undefined ? {} : { servername: serverName };
  const secureContext = contexts.of({ ca, certificate, key });
  const socket = tlsConnect({ ...options, ...named, secureContext, rejectUnauthorized: true });
  return { socket, ready: "secureConnect" };
}
