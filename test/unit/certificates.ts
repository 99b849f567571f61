import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** PEM files in a folder, made by openssl(1). */
export interface Certificate {
  readonly certificate: string;
  readonly key: string;
}

/** A certificate signed by itself, valid for a day; with a password its key is encrypted. */
export function createCertificate(folder: string, name: string, password?: string): Certificate {
  const files = { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  const ecdsa = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
  const protection = password === undefined ? ["-nodes"] : ["-passout", `pass:${password}`];
  const out = ["-keyout", files.key, "-out", files.certificate];
  const args = ["req", "-x509", ...ecdsa, ...protection, "-days", "1", "-subj", `/CN=${name}`, ...out];
  execFileSync("openssl", args, { stdio: "ignore" });
  return files;
}
