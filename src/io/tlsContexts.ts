import { readFileSync, statSync } from "node:fs";
import { createSecureContext, type SecureContext, type SecureContextOptions } from "node:tls";

/** PEM files of a TLS client. */
export interface TlsFiles {
  readonly ca?: string | undefined;
  readonly certificate?: string | undefined;
  readonly key?: string | undefined;
  /** Of the key. */
  readonly password?: string | undefined;
}

interface Known {
  readonly versions: string;
  readonly context: SecureContext;
}

/** What TLS clients present and trust, read again when one of the files has changed. */
export class TlsContexts {
  readonly #known = new Map<string, Known>();

  /** Throws what reading the files throws, and what OpenSSL says of what is in them, with their names. */
  of(files: TlsFiles): SecureContext {
    const name = JSON.stringify([files.ca, files.certificate, files.key, files.password]);
    const versions = [files.ca, files.certificate, files.key].map(version).join(" ");
    const known = this.#known.get(name);
    if (known?.versions === versions) return known.context;
    const context = contextOf(
      {
        ...(files.ca === undefined ? {} : { ca: readFileSync(files.ca) }),
        ...(files.certificate === undefined ? {} : { cert: readFileSync(files.certificate) }),
        ...(files.key === undefined ? {} : { key: readFileSync(files.key) }),
        ...(files.password === undefined ? {} : { passphrase: files.password }),
      },
      [files.ca, files.certificate, files.key],
    );
    this.#known.set(name, { versions, context });
    return context;
  }
}

function contextOf(options: SecureContextOptions, files: readonly (string | undefined)[]): SecureContext {
  try {
    return createSecureContext(options);
  } catch (error) {
    const names = files.filter((each) => each !== undefined).join(", ");
    throw new Error(`${names}: ${(error as Error).message}`, { cause: error });
  }
}

/** Differs after every change of a file, also when another one was renamed into its place. */
function version(path: string | undefined): string {
  if (path === undefined) return "-";
  const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true });
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}
