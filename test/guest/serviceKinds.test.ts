import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Holdfast } from "../lab/holdfast.ts";
import { createNamespace, type Namespace } from "../lab/netns.ts";
import type { RunningProcess } from "../lab/processes.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";

const TIMEOUT_MS = 240_000;
const SCHEDULERS = ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "mh", "fo", "ovf", "sed", "nq"] as const;

interface Kind {
  /** Behind `virtual_server`; without one the next free address and port 80. */
  readonly header?: string;
  readonly lines: string;
  readonly servers?: readonly string[];
}

const V4 = ["10.8.0.1 80 {\n weight 3\n }", "10.8.0.2 80 {\n }"];
const TUN4 = ["10.8.0.1 80 {\n }"];
const V6 = ["2001:db8:8::1 80 {\n weight 5\n }", "2001:db8:8::2 80 {\n }"];
const tcp = (lines: string, servers: readonly string[] = V4): Kind => ({ lines: `protocol TCP\n${lines}`, servers });

/** One service of each kind: schedulers with flags, methods, protocols, affinity, marks, groups, limits, sorry servers. */
const KINDS: readonly Kind[] = [
  ...SCHEDULERS.map((scheduler) => tcp(`lvs_method DR\nlvs_sched ${scheduler}`)),
  tcp("lvs_method DR\nlvs_sched sh\nsh-port\nsh-fallback"),
  tcp("lvs_method DR\nlvs_sched mh\nmh-port\nmh-fallback"),
  tcp("lvs_method DR\nlvs_sched wrr\nflag-1\nflag-3"),
  tcp("lvs_method NAT\nlvs_sched wlc", ["10.8.0.1 8080 {\n }", "10.8.0.2 8081 {\n weight 0\n }"]),
  tcp("lvs_method TUN\nlvs_sched rr", TUN4),
  tcp("lvs_method TUN type gue port 6080\nlvs_sched rr", TUN4),
  tcp("lvs_method TUN type gue port 6081 csum\nlvs_sched rr", TUN4),
  tcp("lvs_method TUN type gue port 6082 remcsum\nlvs_sched rr", TUN4),
  tcp("lvs_method TUN type gre\nlvs_sched rr", TUN4),
  tcp("lvs_method TUN type gre csum\nlvs_sched rr", TUN4),
  tcp("lvs_method TUN\nlvs_sched rr", ["2001:db8:8::1 80 {\n }"]),
  tcp("lvs_method DR\nlvs_sched rr", [
    "10.8.0.1 80 {\n lvs_method NAT\n }",
    "10.8.0.2 80 {\n lvs_method TUN type gue port 7000\n }",
    "10.8.0.3 80 {\n }",
  ]),
  { lines: "protocol UDP\nlvs_method DR\nlvs_sched rr\nops", servers: V4 },
  { lines: "protocol UDP\nlvs_method NAT\nlvs_sched wlc", servers: V4 },
  { lines: "protocol SCTP\nlvs_method DR\nlvs_sched wlc", servers: V4 },
  tcp("lvs_method DR\nlvs_sched wlc\npersistence_timeout 300"),
  tcp("lvs_method DR\nlvs_sched wlc\npersistence_timeout"),
  tcp("lvs_method DR\nlvs_sched wlc\npersistence_timeout 60\npersistence_granularity 255.255.255.0"),
  tcp("lvs_method DR\nlvs_sched wlc\npersistence_granularity 255.255.0.0"),
  { lines: "protocol UDP\nlvs_method DR\nlvs_sched rr\npersistence_engine sip\npersistence_timeout 120", servers: V4 },
  { header: "[6]", ...tcp("lvs_method DR\nlvs_sched wrr", V6) },
  { header: "[6]", ...tcp("lvs_method NAT\nlvs_sched rr", ["2001:db8:8::1 8080 {\n }"]) },
  { header: "[6]", ...tcp("lvs_method DR\nlvs_sched wlc\npersistence_timeout 50\npersistence_granularity 64", V6) },
  { header: "[6]", lines: "protocol UDP\nlvs_method TUN\nlvs_sched rr", servers: ["2001:db8:8::9 80 {\n }"] },
  { header: "fwmark 7", ...tcp("lvs_method DR\nlvs_sched wlc") },
  { header: "fwmark 8", ...tcp("lvs_method DR\nlvs_sched wlc\nip_family inet6", V6) },
  { header: "fwmark 9", ...tcp("lvs_method DR\nlvs_sched rr\npersistence_timeout 30") },
  { header: "group WEB", ...tcp("lvs_method DR\nlvs_sched lc") },
  tcp("lvs_method DR\nlvs_sched wlc", ["10.8.0.1 80 {\n uthreshold 1000\n lthreshold 500\n }"]),
  tcp("lvs_method DR\nlvs_sched wlc\nweight 7", ["10.8.0.1 80 {\n }", "10.8.0.2 80 {\n weight 2\n }"]),
  tcp("lvs_method DR\nlvs_sched wlc\nsorry_server 10.8.0.99 80"),
  tcp("lvs_method DR\nlvs_sched wlc\nsorry_server 10.8.0.99 80\nsorry_server_inhibit"),
];

const GROUP = `virtual_server_group WEB {
  10.7.1.1 80
  10.7.1.10-12 80
  10.7.1.32/30 80
  fwmark 20
}
`;

function configuration(): string {
  const services = KINDS.map(({ header, lines, servers = [] }, index) => {
    const address = header === "[6]" ? `2001:db8:7::${index + 1} 80` : (header ?? `10.7.0.${index + 1} 80`);
    return `virtual_server ${address} {\n${lines}\n${servers.map((server) => `real_server ${server}\n`).join("")}}\n`;
  });
  return `global_defs {\n  router_id kinds\n}\n${GROUP}${services.join("")}`;
}

/** One keepalived.conf, its services programmed by Debian's keepalived in one namespace and by holdfast in another. */
requires(
  "ipvs",
  "ipvsadm",
  "keepalived",
)("every kind of service, as keepalived programs it", () => {
  let folder: string;
  let ofKeepalived: Namespace;
  let ofHoldfast: Namespace;
  let keepalived: RunningProcess;
  let holdfast: Holdfast;

  /** What ipvsadm prints, a line each, in an order of ours. */
  const printed = async (namespace: Namespace, args: readonly string[]): Promise<string[]> =>
    (await namespace.exec("ipvsadm", args)).stdout
      .split("\n")
      .map((line) => line.trimEnd())
      .filter((line) => line !== "")
      .sort();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "holdfast-kinds-"));
    const file = join(folder, "kinds.conf");
    writeFileSync(file, configuration());
    ofKeepalived = await createNamespace("kinds-k");
    ofHoldfast = await createNamespace("kinds-h");
    for (const namespace of [ofKeepalived, ofHoldfast]) await namespace.ip("link", "set", "lo", "up");
    const modules = SCHEDULERS.map((scheduler) => `ip_vs_${scheduler}`);
    await ofHoldfast.exec("modprobe", ["-a", ...modules, "ip_vs_pe_sip"]);
    const pidFiles = ["p", "c", "r"].flatMap((option) => [`-${option}`, join(folder, `${option}.pid`)]);
    const args = ["--check", "--dont-fork", "--log-console", "--use-file", file, ...pidFiles];
    keepalived = await ofKeepalived.start("keepalived", args);
    holdfast = await Holdfast.start(ofHoldfast, file);
    await holdfast.ready();
  });
  afterAll(async () => {
    await holdfast?.stop();
    await keepalived?.stop();
    ofKeepalived?.remove();
    ofHoldfast?.remove();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  test("the tables are the same, line by line: services, servers, tunnels, thresholds", async () => {
    const ours = await printed(ofHoldfast, ["-Sn"]);
    expect(ours.filter((line) => line.startsWith("-A")).length).toBeGreaterThanOrEqual(KINDS.length);
    let theirs: string[] = [];
    await waitFor(
      async () => {
        theirs = await printed(ofKeepalived, ["-Sn"]);
        return theirs.length >= ours.length;
      },
      { what: "keepalived's table", timeoutMs: TIMEOUT_MS, intervalMs: 500, found: () => keepalived.output },
    );
    expect(ours).toEqual(theirs);
    for (const option of ["--tun-info", "--thresholds"]) {
      const wanted = await printed(ofKeepalived, ["-Ln", option]);
      expect(await printed(ofHoldfast, ["-Ln", option]), option).toEqual(wanted);
    }
  });
});
