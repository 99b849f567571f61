import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type ArticleNetwork,
  createArticleNetwork,
  POSTGRES_HOSTS,
  postgresAddress,
  REST_PORT,
  SERVICE_PORT,
  WRITE_VIP,
} from "../lab/articleNetwork.ts";
import { startProgram } from "../lab/programs.ts";
import { requires } from "../lab/requires.ts";
import { StandInCluster } from "../lab/standIn/cluster.ts";
import { waitFor } from "../lab/wait.ts";

/** The stand-ins are what most tests believe about Patroni: here they are looked at from outside, from the client. */
requires(
  "netns",
  "postgresql",
  "arping",
)("stand-in Patroni nodes", () => {
  let network: ArticleNetwork;
  let cluster: StandInCluster;

  beforeAll(async () => {
    network = await createArticleNetwork("standin");
    cluster = await StandInCluster.start({
      members: POSTGRES_HOSTS.map((host) => ({ ...host, namespace: network.postgres[host.name] })),
      restPort: REST_PORT,
      sqlPort: SERVICE_PORT,
    });
  });
  afterAll(async () => {
    await cluster?.stop();
    network?.remove();
  });

  /** Raw bytes of the answer: the version, the headers and the close are part of what a checker meets. */
  const ask = async (name: "pg1" | "pg2" | "pg3", path: string, method = "GET"): Promise<string> => {
    const program = `const s = require("node:net").connect(${REST_PORT}, "${postgresAddress(name)}");
      s.write("${method} ${path} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n"); s.pipe(process.stdout);`;
    return (await network.client.exec(process.execPath, ["-e", program])).stdout;
  };
  const statusAndBody = async (
    name: "pg1" | "pg2" | "pg3",
    path: string,
  ): Promise<[number, Record<string, unknown>]> => {
    const [head = "", body = ""] = (await ask(name, path)).split("\r\n\r\n");
    return [Number(head.split(" ")[1]), JSON.parse(body) as Record<string, unknown>];
  };
  /** Debian's psql is the judge of the stand-in's protocol. */
  const psql = async (address: string, statement: string): Promise<string> => {
    const args = ["-XAtq", "-h", address, "-p", String(SERVICE_PORT), "-U", "postgres", "-c", statement];
    const { stdout, stderr } = await network.client.exec("psql", args, { allowFailure: true });
    return (stdout + stderr).trim();
  };

  test("answers as Patroni's REST server does: HTTP/1.0, no length, then closed", async () => {
    const answer = await ask("pg1", "/primary");
    expect(answer).toMatch(
      /^HTTP\/1\.0 200 OK\r\nServer: BaseHTTP\/0\.6 Python\/\S+\r\nDate: .* GMT\r\nContent-Type: /,
    );
    expect(answer).not.toMatch(/content-length/i);
    expect(await ask("pg2", "/primary", "OPTIONS")).toBe("HTTP/1.0 503 Service Unavailable\r\n\r\n");
  });

  test.each([
    ["/", 200, 503],
    ["/primary", 200, 503],
    ["/leader?x=1", 200, 503],
    ["/read-write", 200, 503],
    ["/replica", 503, 200],
    ["/read-only", 200, 200],
    ["/health", 200, 200],
    ["/patroni", 200, 200],
    ["/nothing-of-ours", 503, 503],
  ])("%s: primary %i, replica %i", async (path, primary, replica) => {
    expect((await statusAndBody("pg1", path))[0]).toBe(primary);
    expect((await statusAndBody("pg3", path))[0]).toBe(replica);
  });

  test("a switchover goes through every phase that Patroni goes through, and sessions follow it", async () => {
    expect(await psql(postgresAddress("pg1"), "select 1")).toBe("pg1 primary");
    expect(await psql(postgresAddress("pg1"), "insert into t1 values (1)")).toBe("");
    const session = [postgresAddress("pg1"), SERVICE_PORT, "postgres", "postgres", 1, 20];
    const sessions = await startProgram(network.client, "sessions", session);
    await waitFor(() => sessions.lines().length === 1, { what: "an open session" });
    const nodes = POSTGRES_HOSTS.map(({ name, address }) => `${name}=${address}:${REST_PORT}`);
    const watch = await startProgram(network.client, "restWatch", ["/primary", 5, ...nodes]);
    await waitFor(() => watch.lines().length === 3, { what: "a first answer of every node" });
    const record = await cluster.switchover("pg2", {
      shutdownMs: 300,
      unlockedMs: 300,
      promotionMs: 300,
      returnMs: 900,
    });
    await record.returned;
    await waitFor(() => watch.lines().findLast((line) => line.node === "pg1")?.state === "running", {
      what: "pg1 seen running again",
    });
    const seen = (await watch.stop()).map((line) => `${line.node} ${line.status} ${line.role} ${line.state}`);

    // Starting again as a replica takes a stand-in no time: that phase may go unseen.
    expect(seen.filter((line) => line.startsWith("pg1") && !line.endsWith("starting"))).toEqual([
      "pg1 200 master running",
      "pg1 200 master stopping",
      "pg1 503 demoted stopping",
      "pg1 503 demoted stopped",
      "pg1 503 replica running",
    ]);
    expect(seen.filter((line) => line.startsWith("pg2"))).toEqual([
      "pg2 503 replica running",
      "pg2 200 replica running",
      "pg2 200 master running",
    ]);
    expect(record.demotedAtUs).toBeLessThan(record.keyAtUs);
    expect(record.promotedAtUs - record.demotedAtUs).toBeGreaterThan(590_000);
    expect((await statusAndBody("pg3", "/patroni"))[1]).toMatchObject({ role: "replica", timeline: 2 });
    expect((await sessions.stop()).map((line) => `${line.kind} ${line.text}`)).toEqual([
      "opened pg1",
      "ended FATAL:  terminating connection due to administrator command",
    ]);
    expect(await psql(postgresAddress("pg1"), "insert into t1 values (1)")).toMatch(
      /cannot execute INSERT in a read-only transaction/,
    );
  });

  test("a dead node refuses, a hanging one takes the request and says nothing", async () => {
    await cluster.set("pg3", { rest: "hanging" });
    const hanging = await network.client.exec(
      "timeout",
      [
        "0.7",
        process.execPath,
        "-e",
        `require("node:http").get("http://${postgresAddress("pg3")}:${REST_PORT}/replica", () => process.exit(5))`,
      ],
      { allowFailure: true },
    );
    expect(hanging.status).toBe(124);
    await cluster.set("pg3", { rest: "closed", postgres: "stopped" });
    expect(await psql(postgresAddress("pg3"), "select 1")).toMatch(/Connection refused/);
    await cluster.follow("pg3");
    expect((await statusAndBody("pg3", "/replica"))[0]).toBe(200);
  });

  test("two claimants, and a pause, are told as Patroni tells them", async () => {
    await cluster.claim("pg1");
    await cluster.setPaused(true);
    expect(cluster.primaries()).toEqual(["pg1", "pg2"]);
    expect(await statusAndBody("pg1", "/primary")).toMatchObject([200, { role: "master", pause: true }]);
    await cluster.setPaused(false);
    await cluster.follow("pg1");
    expect((await statusAndBody("pg1", "/primary"))[0]).toBe(503);
  });

  test("PostgreSQL's hosts answer no ARP for the virtual addresses", async () => {
    const asked = await network.client.exec("arping", ["-c", "1", "-w", "1", "-I", "eth0", WRITE_VIP], {
      allowFailure: true,
    });
    expect(asked.stdout).toMatch(/Received 0 response/);
  });
});
