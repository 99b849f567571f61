import { readFileSync, statSync } from "node:fs";
import type { TcpNetConnectOpts } from "node:net";
import { createSecureContext, type SecureContext, connect as tlsConnect } from "node:tls";
import type { TlsConfig } from "../../config/check.types.ts";
import type { OpenedSocket } from "./http.ts";

/** What a connection by TLS takes from files; read again when one of them changes, so a renewed certificate needs no reload. */
export class TlsFiles {
  private readonly tls: TlsConfig;
  private loaded: { readonly stamp: string; readonly context: SecureContext } | undefined;

  constructor(tls: TlsConfig) {
    this.tls = tls;
  }

  /** Throws an Error that names the file, when one cannot be read or is no PEM of its kind. */
  context(): SecureContext {
    const { caFile, certificateFile, keyFile } = this.tls;
    const stamp = [caFile, certificateFile, keyFile].map(stampOf).join(" ");
    if (this.loaded?.stamp === stamp) return this.loaded.context;
    const files = { ca: contentOf(caFile), cert: contentOf(certificateFile), key: contentOf(keyFile) };
    this.loaded = undefined;
    try {
      this.loaded = { stamp, context: createSecureContext(files) };
    } catch (error) {
      const names = [caFile, certificateFile, keyFile].filter((each) => each !== undefined).join(", ");
      throw new Error(`${names}: ${(error as Error).message}`, { cause: error });
    }
    return this.loaded.context;
  }

  /** Connects and verifies: the certificate must come from the authorities and carry the name, or the address. */
  open(options: TcpNetConnectOpts): OpenedSocket {
    const { serverName } = this.tls;
    const named = serverName === undefined ? {} : { servername: serverName };
    const socket = tlsConnect({ ...options, ...named, secureContext: this.context(), rejectUnauthorized: true });
    return { socket, ready: "secureConnect" };
  }
}

/** What tells whether a file is another one or has other content. Throws as `statSync` does. */
function stampOf(file: string | undefined): string {
  if (file === undefined) return "-";
  const { dev, ino, size, mtimeMs, ctimeMs } = statSync(file);
  return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
}

const contentOf = (file: string | undefined): Buffer | undefined =>
  file === undefined ? undefined : readFileSync(file);
