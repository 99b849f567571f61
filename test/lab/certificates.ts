/** Certificates for tests, made by openssl: an authority, and what it signs. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface Certificate {
  readonly certificateFile: string;
  readonly keyFile: string;
}

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export class Authority {
  readonly folder = mkdtempSync(join(tmpdir(), "holdfast-certificates-"));
  readonly caFile = join(this.folder, "ca.pem");
  readonly #keyFile = join(this.folder, "ca.key");

  constructor(name = "holdfast test") {
    this.#request(["-subj", `/CN=${name}`, "-keyout", this.#keyFile, "-out", this.caFile]);
  }

  /** @param names `DNS:pg1.example.org,IP:127.0.0.9` */
  sign(file: string, names: string): Certificate {
    const certificateFile = join(this.folder, `${file}.pem`);
    const keyFile = join(this.folder, `${file}.key`);
    const signer = ["-CA", this.caFile, "-CAkey", this.#keyFile];
    const subject = ["-subj", `/CN=${file}`, "-addext", `subjectAltName=${names}`];
    this.#request([...signer, ...subject, "-keyout", keyFile, "-out", certificateFile]);
    return { certificateFile, keyFile };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #request(args: readonly string[]): void {
    execFileSync("openssl", ["req", "-x509", "-days", "2", ...KEY, ...args], { stdio: ["ignore", "ignore", "pipe"] });
  }
}
