import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Holdfast } from "../lab/holdfast.ts";
import { readTable, rowsOf } from "../lab/ipvsTable.ts";
import { createNamespace, type Namespace } from "../lab/netns.ts";
import type { RunningProcess } from "../lab/processes.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";

const SERVERS = ["127.0.1.1", "127.0.1.2", "127.0.1.3"];
/** Every scheduler and the persistence of this version, each as a service of its own over the same servers. */
const SCHEDULERS = ["rr", "wrr", "lc", "wlc"] as const;
const PERSISTENCE_SEC = 30;

function configuration(): string {
  const servers = SERVERS.map(
    (address, index) =>
      `  real_server ${address} 80 {\n    weight ${index + 1}\n    HTTP_GET {\n      url {\n        path /\n      }\n    }\n  }\n`,
  ).join("");
  return SCHEDULERS.map(
    (scheduler, index) =>
      `virtual_server 10.9.0.${index + 1} 80 {\n  lvs_method DR\n  lb_algo ${scheduler}\n  protocol TCP\n  delay_loop 1\n  connect_timeout 1\n` +
      `  retry 0\n${index === 0 ? `  persistence_timeout ${PERSISTENCE_SEC}\n` : ""}${servers}}\n`,
  ).join("");
}

requires("ipvs", "ipvsadm")("plain web servers checked by path /", () => {
  let namespace: Namespace;
  let web: RunningProcess;
  let daemon: Holdfast;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-web-"));
    namespace = await createNamespace("web");
    await namespace.ip("link", "set", "lo", "up");
    const program = `import { createServer } from "node:http"; for (const a of ${JSON.stringify(SERVERS)}) createServer((q, r) => r.end("welcome")).listen(80, a); console.log("serving");`;
    web = await namespace.start(process.execPath, ["--input-type=module", "-e", program], { name: "web servers" });
    await web.waitForOutput("serving", 60_000);
    writeFileSync(join(folder, "web.conf"), configuration());
    daemon = await Holdfast.start(namespace, join(folder, "web.conf"));
    await daemon.ready();
  });
  afterAll(async () => {
    await daemon?.stop();
    await web?.stop();
    namespace?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  const weights = async (service: string): Promise<number[]> =>
    [...rowsOf(await readTable(namespace), service).values()].map(({ weight }) => weight).sort((a, b) => a - b);

  test("all of them keep their weight: a 200 from / is no claim of a role", async () => {
    for (const index of SCHEDULERS.keys()) {
      await waitFor(async () => (await weights(`TCP 10.9.0.${index + 1}:80`)).join() === "1,2,3", {
        what: `the weights of service ${index + 1}`,
        timeoutMs: 30_000,
        found: () => daemon.process.output,
      });
    }
    expect((await daemon.status()).services.map(({ exclusive }) => exclusive)).toEqual([false, false, false, false]);
  });

  test("the kernel has each scheduler and the persistence as configured, and `holdfast ipvs` prints what ipvsadm prints", async () => {
    const theirs = (await namespace.exec("ipvsadm", ["-Ln"])).stdout;
    for (const [index, scheduler] of SCHEDULERS.entries()) {
      const persistent = index === 0 ? ` persistent ${PERSISTENCE_SEC}` : "";
      expect(theirs).toContain(`TCP  10.9.0.${index + 1}:80 ${scheduler}${persistent}\n`);
    }
    const trimmed = (text: string): string[] =>
      text
        .split("\n")
        .map((line) => line.trimEnd())
        .filter((line) => line !== "");
    expect(trimmed((await daemon.command("ipvs")).stdout)).toEqual(trimmed(theirs));
    for (const option of ["--stats", "--rate"]) {
      const counters = (await namespace.exec("ipvsadm", ["-Ln", option])).stdout;
      expect(trimmed((await daemon.command("ipvs", option)).stdout)).toEqual(trimmed(counters));
    }
  });

  test("a server that dies is removed (no inhibit_on_failure), and the others stay", async () => {
    await web.stop();
    await waitFor(async () => (await weights("TCP 10.9.0.2:80")).length === 0, {
      what: "rows of dead servers to go",
      timeoutMs: 60_000,
      found: () => daemon.process.output,
    });
    expect(
      (await daemon.status()).services.every(({ servers }) => servers.every(({ verdict }) => verdict === "down")),
    ).toBe(true);
  });
});
