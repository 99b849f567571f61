import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createNamespace, type Namespace } from "../lab/netns.ts";
import { runProcess } from "../lab/processes.ts";
import { missingRequirements, requires } from "../lab/requires.ts";
import { projectRoot } from "../lab/root.ts";

/** What the other tests take for granted, so that a machine that lacks it says so here. */
requires(
  "netns",
  "ipvs",
  "ipvsadm",
)("a kernel with IPVS", () => {
  let namespace: Namespace;
  beforeAll(async () => {
    namespace = await createNamespace("itself");
  });
  afterAll(() => namespace?.remove());

  const table = async (where: Namespace): Promise<string> => (await where.exec("ipvsadm", ["-Ln"])).stdout;

  test.each(["rr", "wrr", "lc", "wlc"])("schedules by %s", async (scheduler) => {
    await namespace.exec("ipvsadm", ["-A", "-t", "192.0.2.1:80", "-s", scheduler]);
    await namespace.exec("ipvsadm", ["-a", "-t", "192.0.2.1:80", "-r", "192.0.2.2:80", "-g", "-w", "7"]);
    expect(await table(namespace)).toMatch(
      new RegExp(`TCP {2}192.0.2.1:80 ${scheduler}\\s+-> 192.0.2.2:80 +Route +7 `),
    );
    await namespace.exec("ipvsadm", ["-C"]);
  });

  test("has one table a network namespace", async () => {
    const other = await createNamespace("other");
    try {
      await namespace.exec("ipvsadm", ["-A", "-t", "192.0.2.1:80", "-s", "rr"]);
      expect(await table(namespace)).toContain("192.0.2.1:80");
      expect(await table(other)).not.toContain("192.0.2.1:80");
    } finally {
      other.remove();
    }
  });

  test.each(["dummy", "macvlan", "bridge"])("has devices of type %s", async (type) => {
    await namespace.ip("link", "add", "below", "type", "dummy");
    await namespace.ip("link", "add", ...(type === "macvlan" ? ["link", "below"] : []), "name", "tried", "type", type);
    expect(await namespace.ip("-details", "link", "show", "dev", "tried")).toContain(type);
    await namespace.ipBatch(["link delete tried", "link delete below"]);
  });

  test("has the programs of the real cluster", () => {
    expect(missingRequirements("patroni", "etcd", "postgresql", "keepalived")).toEqual([]);
  });
});

describe.runIf(process.env.HOLDFAST_GUEST === "1")("the guest", () => {
  test("sees the checkout at the host's path and can write everywhere", () => {
    expect(existsSync(join(projectRoot, "package.json"))).toBe(true);
    // Gone with the guest: see test/netns/guestBoot.test.ts.
    writeFileSync(join(projectRoot, "written-in-the-guest"), "x");
    expect(readFileSync(join(projectRoot, "written-in-the-guest"), "utf8")).toBe("x");
  });

  test("loads further modules of its kernel by name", async () => {
    await runProcess("modprobe", ["ip_vs_sh"]);
    expect(readFileSync("/proc/modules", "utf8")).toMatch(/^ip_vs_sh /m);
  });
});
