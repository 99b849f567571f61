import { closeSync, constants, existsSync, fstatSync, openSync, readSync } from "node:fs";
import { CONFIG_LIMIT_BYTES, type Diagnostic } from "../config/index.ts";
import { fail, ok, type Result } from "../core/result.ts";

/**
 * The text of a configuration file: a regular file of at most CONFIG_LIMIT_BYTES in UTF-8. Anything else is a diagnostic
 * that says what the file is instead. Never throws, never waits (a FIFO is refused without being read).
 */
export function readConfigFile(path: string): Result<string, Diagnostic> {
  const refuse = (code: string, message: string, remedy: string, line = 1) =>
    fail<Diagnostic>({ severity: "error", code, at: { file: path, line, column: 1, length: 0 }, message, remedy });
  let bytes: Buffer;
  try {
    const read = readRegularFile(path);
    if (!read.ok) return refuse(read.error.code, read.error.message, read.error.remedy);
    bytes = read.value;
  } catch (error) {
    const { code, message, remedy } = unreadable(error);
    return refuse(code, message, remedy);
  }
  if (bytes.length === 0)
    return refuse("empty-file", "the file is empty", "write at least one vrrp_instance or virtual_server");
  try {
    return ok(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return refuse(
      "binary-file",
      "the file is not text in UTF-8",
      "check that this is the configuration; convert it with iconv -t UTF-8 if it has another encoding",
      lineOfInvalidByte(bytes),
    );
  }
}

/** The first of these paths at which there is something. */
export function firstExisting(paths: readonly string[]): string | undefined {
  return paths.find((path) => existsSync(path));
}

interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

function readRegularFile(path: string): Result<Buffer, Refusal> {
  const descriptor = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const status = fstatSync(descriptor);
    if (status.isDirectory()) {
      return fail({ code: "file-is-directory", message: "this is a directory", remedy: "name a file in it" });
    }
    if (!status.isFile()) {
      return fail({
        code: "file-not-regular",
        message: "this is no regular file",
        remedy: "write the configuration to a file",
      });
    }
    // Read one byte more than allowed: the size of the status may be out of date, and is 0 in /proc.
    const buffer = Buffer.allocUnsafe(CONFIG_LIMIT_BYTES + 1);
    let length = 0;
    while (length < buffer.length) {
      const count = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (count === 0) return ok(buffer.subarray(0, length));
      length += count;
    }
    return fail({
      code: "too-large",
      message: `the file is larger than ${CONFIG_LIMIT_BYTES} bytes`,
      remedy: "check that this is the configuration",
    });
  } finally {
    closeSync(descriptor);
  }
}

function unreadable(error: unknown): Refusal {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return {
        code: "file-missing",
        message: "there is no such file",
        remedy: "create it, or name another one with -f",
      };
    case "EACCES":
    case "EPERM":
      return {
        code: "file-unreadable",
        message: "permission to read the file is denied",
        remedy: "let this user read it, or run as one who may",
      };
    default:
      return {
        code: "file-unreadable",
        message: `the file cannot be read: ${error instanceof Error ? error.message : String(error)}`,
        remedy: "see whether cat can read it",
      };
  }
}

/** UTF-8 is valid line by line, since no multi-byte character contains a newline byte. */
function lineOfInvalidByte(bytes: Buffer): number {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    start = end + 1;
  }
  return 1;
}
