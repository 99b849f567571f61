import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Holdfast } from "../lab/holdfast.ts";
import { createNetwork, type Network } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";

const OWN = "10.0.2.1";
const TOKEN = "a-secret-of-the-callbacks";
const OTHER_TOKEN = "another-secret-of-theirs";

/** The door for callbacks of Patroni's, asked from another host. What a kick does to weights: test/guest/kick.test.ts. */
requires("netns")("POST /kick at a running daemon", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-kick-"));
  const file = join(folder, "holdfast.conf");
  const tokenFile = join(folder, "token");
  let network: Network;
  let daemon: Holdfast;

  const configure = (port: number, token: string): void => {
    writeFileSync(tokenFile, token, { mode: 0o600 });
    const globals = `global_defs {\n  kick_listen ${OWN} ${port}\n  kick_token_file ${tokenFile}\n}\n`;
    const instance =
      "vrrp_instance RW {\n  interface eth0\n  virtual_router_id 1\n  virtual_ipaddress {\n    10.0.2.10\n  }\n}\n";
    writeFileSync(file, globals + instance);
  };

  beforeAll(async () => {
    network = await createNetwork({
      prefix: "dkick",
      hosts: [
        { name: "a", addresses: [`${OWN}/24`] },
        { name: "pg1", addresses: ["10.0.2.3/24"] },
      ],
    });
    configure(8009, TOKEN);
    daemon = await Holdfast.start(network.host("a"), file);
    await daemon.waitForStatus("the door", ({ kickDoor }) => kickDoor?.listening === true);
  });
  afterAll(async () => {
    await daemon?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The HTTP status; 0 when nobody answers. */
  const post = async (port: number, path = "/kick", token = TOKEN, ...more: string[]): Promise<number> => {
    const headers = ["-H", `Authorization: Bearer ${token}`];
    const words = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", "-X", "POST", ...headers, ...more];
    const options = { allowFailure: true };
    const { stdout } = await network.host("pg1").exec("curl", [...words, `http://${OWN}:${port}${path}`], options);
    return Number(stdout);
  };

  test("takes a kick with the token alone, has nothing else, and counts how requests end", async () => {
    expect(await post(8009)).toBe(202);
    expect(await post(8009, "/kick", OTHER_TOKEN)).toBe(401);
    expect(await post(8009, "/")).toBe(404);
    expect(await post(8009, "/kick", TOKEN, "-X", "GET")).toBe(405);
    expect(await post(8009, "/kick?service=10.0.2.10:5432")).toBe(400);
    const { stdout } = await daemon.command("metrics", "--run-dir", daemon.runDirectory);
    for (const result of ["kicked", "unauthorized", "notFound", "methodNotAllowed", "refused"])
      expect(stdout).toContain(`holdfast_kick_requests_total{result="${result}"} 1\n`);
    expect(stdout).toContain("holdfast_kick_listening 1\n");
    const { stdout: shown } = await daemon.command("status", "--run-dir", daemon.runDirectory);
    expect(shown).toContain(`kicks: taken on ${OWN}:8009, kicked 1`);
  });

  test("a body that never ends, and callers that say nothing, keep it from nobody", async () => {
    const pg1 = network.host("pg1");
    const silent = await Promise.all(
      [1, 2, 3].map(() => pg1.start("bash", ["-c", `exec 3<>/dev/tcp/${OWN}/8009; sleep 60`])),
    );
    const endless = await pg1.start("bash", [
      "-c",
      `{ printf 'POST /kick HTTP/1.1\\r\\nHost: a\\r\\nTransfer-Encoding: chunked\\r\\n\\r\\n'; yes ffff; } > /dev/tcp/${OWN}/8009`,
    ]);
    expect(await post(8009)).toBe(202);
    for (const each of [...silent, endless]) await each.stop();
  });

  test("a token that is gone shuts it, is told, and keeps the daemon from nothing", async () => {
    rmSync(tokenFile);
    const { stdout } = await daemon.command("reload", "--run-dir", daemon.runDirectory);
    expect(stdout).toContain("loaded");
    const { events, kickDoor } = await daemon.waitForStatus("the shut door", ({ kickDoor: door }) => !door?.listening);
    expect(kickDoor?.problem).toContain(tokenFile);
    expect(events.some(({ kind }) => kind === "kickProblem")).toBe(true);
    configure(8009, TOKEN);
    await daemon.waitForStatus("the open door", ({ kickDoor: door }) => door?.listening === true);
    expect(await post(8009)).toBe(202);
  });

  test("a reload moves it and reads the token again; a handover takes it along", async () => {
    configure(8010, OTHER_TOKEN);
    await daemon.command("reload", "--run-dir", daemon.runDirectory);
    await daemon.waitForStatus("the other port", ({ kickDoor }) => kickDoor?.port === 8010 && kickDoor.listening);
    expect(await post(8009, "/kick", OTHER_TOKEN)).toBe(0);
    expect(await post(8010, "/kick", TOKEN)).toBe(401);
    expect(await post(8010, "/kick", OTHER_TOKEN)).toBe(202);
    const { processId } = await daemon.status();
    await daemon.command("handover", "--run-dir", daemon.runDirectory);
    await waitFor(
      async () => {
        const status = await daemon.status();
        return status.processId !== processId && status.kickDoor?.listening === true;
      },
      { what: "the successor's door", timeoutMs: 30_000 },
    );
    expect(await post(8010, "/kick", OTHER_TOKEN)).toBe(202);
  });
});
