import type { DiagnosticList } from "../diagnostics.ts";

/** Larger is no configuration: 500 services with 10 servers each are 700 KiB. */
export const CONFIG_LIMIT_BYTES = 1_048_576;

/** Whitespace and printable characters; everything else below a space, and DEL, is not text. */
const CONTROL = /(?![\t\n\v\f\r])\p{Cc}/u;

/** Says what is wrong with the text of a file as a whole; true when nothing of it can be read. */
export function refuseNonText(text: string, file: string, found: DiagnosticList): boolean {
  const start = { file, line: 1, column: 1, length: 0 };
  if (text.length > CONFIG_LIMIT_BYTES) {
    found.error(
      "too-large",
      start,
      `the file is larger than ${CONFIG_LIMIT_BYTES} bytes`,
      "check that this is the configuration",
    );
    return true;
  }
  const match = CONTROL.exec(text);
  if (match === null) return false;
  const before = text.slice(0, match.index).split(/\r\n|\n|\r/);
  const at = { ...start, line: before.length, column: (before.at(-1)?.length ?? 0) + 1, length: 1 };
  const code = match[0].charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
  found.error(
    "binary-file",
    at,
    `the byte 0x${code} is not text`,
    "check that this is the configuration; remove the byte",
  );
  return true;
}
