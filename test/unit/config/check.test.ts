import { execFileSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type CheckReport, runCheck } from "../../../src/cli/check.ts";
import { readConfigFile } from "../../../src/io/configFile.ts";

const article = fileURLToPath(new URL("../../lab/article/kad1.conf", import.meta.url));
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hf-config-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function check(file: string, json = false): { code: number; text: string } {
  let text = "";
  const code = runCheck({ file, json }, { read: readConfigFile, write: (each) => (text += each) });
  return { code, text };
}

function written(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

describe("holdfast check", () => {
  it("says of a valid file what to know about it, and exits with 0", () => {
    const { code, text } = check(article);
    expect(code).toBe(0);
    expect(text.split("\n").slice(-4)).toEqual([
      "TCP 10.0.2.10:5432 (exclusive): a dead server is noticed within 4.4 s, one whose checks alone are silent within 32.2 s, a lost role within 1.2 s, a returned server within 2 s; role_loss cut",
      "TCP 10.0.2.11:5432: a dead server is noticed within 4 s, a returned server within 2 s; role_loss drain",
      `${article}: valid, 5 warnings`,
      "",
    ]);
    expect(text).toContain(`${article}:3:3: warning: vrrp_strict`);
  });

  it("says of an invalid file what is wrong, and exits with 1", () => {
    const file = written("bad.conf", "vrrp_instance A {\n  interfce eth0\n}\n");
    const { code, text } = check(file);
    expect(code).toBe(1);
    expect(text).toContain("  interfce eth0\n    ^^^^^^^^\n  remedy: did you mean interface?\n");
    expect(text.endsWith(`${file}: invalid, 3 errors, 1 warning\n`)).toBe(true);
  });

  it("prints the same as JSON", () => {
    const { code, text } = check(article, true);
    const report: CheckReport = JSON.parse(text);
    expect(code).toBe(0);
    expect(report).toMatchObject({ valid: true, file: article });
    expect(report.diagnostics.map(({ severity }) => severity)).toEqual(Array(5).fill("warning"));
    expect(report.services).toEqual([
      {
        service: "TCP 10.0.2.10:5432",
        exclusive: "detected",
        worstCaseDetectionMs: 4400,
        worstCaseSilenceMs: 32200,
        worstCaseRoleLossMs: 1200,
        worstCaseOpenMs: null,
        worstCaseRecoveryMs: 2000,
        ...{ roleLoss: { policy: "cut", deadlineMs: null }, fallback: null, cluster: null },
      },
      {
        service: "TCP 10.0.2.11:5432",
        exclusive: "no",
        worstCaseDetectionMs: 4000,
        worstCaseSilenceMs: null,
        worstCaseRoleLossMs: null,
        worstCaseOpenMs: null,
        worstCaseRecoveryMs: 2000,
        ...{ roleLoss: { policy: "drain", deadlineMs: null }, fallback: null, cluster: null },
      },
    ]);
    expect(JSON.parse(check(join(folder, "missing"), true).text)).toMatchObject({
      valid: false,
      services: [],
      diagnostics: [{ code: "file-missing" }],
    });
  });

  it("says what becomes of connections, of tiers, and where servers come from", () => {
    const service = (lines: string): string =>
      `virtual_server 10.0.2.10 5432 {\nlvs_method DR\nprotocol TCP\npatroni {\nrole replica\n}\n${lines}\n}\n`;
    const server = "real_server 10.0.2.3 5432 {\n}\n";
    const end = (lines: string): string => {
      const { text } = check(written("policies.conf", service(lines)));
      return /a returned server within [\d.]+ s; (.*)/.exec(text)?.[1] ?? text;
    };
    expect(end(`role_loss drain 300\nfallback primary after 2\n${server}`)).toBe(
      "role_loss drain, at most 300 s; fallback to primary after 2 s",
    );
    expect(end(`role_loss keep\n${server}`)).toBe("role_loss keep");
    expect(end("patroni_cluster 10.0.2.3 [2001:db8::4]:8010 scope article interval 5\nfallback primary")).toBe(
      "role_loss drain; fallback to primary after 1 s; its servers are the members of the cluster article that 10.0.2.3:8008 or [2001:db8::4]:8010 lists, asked every 5 s",
    );
  });

  it("says when nothing is ever noticed", () => {
    const file = written(
      "nocheck.conf",
      "virtual_server 2001:db8::1 80 {\nlvs_method DR\nprotocol TCP\nreal_server 2001:db8::3 80 {\n}\n}\n",
    );
    expect(check(file)).toMatchObject({
      code: 0,
      text: expect.stringContaining("TCP [2001:db8::1]:80: a dead server is never noticed"),
    });
  });
});

describe("a file that is none", () => {
  it.each([
    ["file-missing", () => join(folder, "missing.conf")],
    ["file-missing", () => join(written("file", "x"), "below")],
    ["file-is-directory", () => folder],
    ["file-not-regular", () => "/dev/null"],
    ["empty-file", () => written("empty.conf", "")],
    [
      "binary-file",
      () =>
        process.execPath.replace(/.*/, () =>
          written("elf", Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0xff, 0xfe])),
        ),
    ],
    ["binary-file", () => written("latin1.conf", Buffer.from("# first\n# caf\xe9\n", "latin1"))],
    ["binary-file", () => written("nul.conf", "global_defs {\n\0}\n")],
    ["too-large", () => written("big.conf", "# 10 MB\n".repeat(1_310_720))],
  ])("%s", (code, make) => {
    const file = make();
    const { code: exit, text } = check(file);
    expect(exit).toBe(1);
    expect(text).toContain(`[${code}]\n`);
    expect(text).toContain("remedy: ");
    expect(text).not.toMatch(/\n\s+at /);
    expect(text.endsWith(`${file}: invalid, 1 error\n`)).toBe(true);
  });

  it("is not waited for: a FIFO without writer", () => {
    const fifo = join(folder, "fifo");
    execFileSync("mkfifo", [fifo]);
    expect(check(fifo).text).toContain("[file-not-regular]");
  });

  it("tells the line of the first byte that is no UTF-8", () => {
    expect(check(join(folder, "latin1.conf")).text).toContain("latin1.conf:2:1: error: the file is not text in UTF-8");
  });

  it("file-unreadable", () => {
    const file = written("secret.conf", "global_defs {\n}\n");
    // The file's own mode decides, not its folder's.
    chmodSync(folder, 0o755);
    chmodSync(file, 0o000);
    expect(withoutRoot(() => check(file)).text).toContain("[file-unreadable]");
  });
});

/** Root may read everything: as root, the call is made with nobody's rights. */
function withoutRoot<T>(call: () => T): T {
  if (process.geteuid?.() !== 0) return call();
  process.seteuid?.(65534);
  try {
    return call();
  } finally {
    process.seteuid?.(0);
  }
}
