import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { HoldfastError } from "../../src/core/errors.ts";
import { ip } from "../../src/core/ip.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { KickDoor } from "../../src/daemon/kickDoor.ts";
import { serveKicks } from "../../src/io/kickServer.ts";
import { recordingLogger } from "../lab/recordingLogger.ts";
import { VirtualTime } from "../lab/virtualTime.ts";

const TOKEN = "0123456789abcdef0123456789abcdef";

let folder: string;
let tokenFile: string;
const closing: (() => Promise<void>)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "holdfast-kick-"));
  tokenFile = join(folder, "token");
  write(`${TOKEN}\n`);
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
  rmSync(folder, { recursive: true, force: true });
});

function write(text: string, mode = 0o640): void {
  writeFileSync(tokenFile, text);
  chmodSync(tokenFile, mode);
}

async function server() {
  const kicks: (readonly [readonly string[], string])[] = [];
  const outcomes: string[] = [];
  const config = { address: ip("127.0.0.1"), port: 0, tokenFile };
  const { port, close } = await serveKicks(config, {
    kick: (services, source) => {
      kicks.push([services, source]);
      return services.includes("nobody")
        ? { ok: false, error: "there is no service nobody" }
        : { ok: true, lines: ["asked"] };
    },
    answered: (outcome) => void outcomes.push(outcome),
  });
  closing.push(close);
  const ask = async (path: string, token: string | undefined = TOKEN, method = "POST") => {
    const headers = token === undefined ? {} : { authorization: token.includes(" ") ? token : `Bearer ${token}` };
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers });
    return [response.status, (await response.text()).trim()];
  };
  return { ask, kicks, outcomes, port };
}

describe("POST /kick", () => {
  test("with the token kicks all, or the services named", async () => {
    const { ask, kicks, outcomes } = await server();
    expect(await ask("/kick")).toEqual([202, "asked"]);
    expect(await ask("/kick?service=10.0.2.10:5432&service=TCP%20group%20R")).toEqual([202, "asked"]);
    expect(kicks).toEqual([
      [[], "HTTP from 127.0.0.1"],
      [["10.0.2.10:5432", "TCP group R"], "HTTP from 127.0.0.1"],
    ]);
    expect(await ask("/kick?service=nobody")).toEqual([400, "there is no service nobody"]);
    expect(outcomes).toEqual(["kicked", "kicked", "refused"]);
  });

  test.each([
    ["a wrong token", `${TOKEN.slice(0, -1)}0`],
    ["a longer one", `${TOKEN}0`],
    ["the beginning of it", TOKEN.slice(0, 16)],
    ["another scheme", `Basic ${TOKEN}`],
    ["nothing behind the scheme", "Bearer "],
  ])("with %s is 401 and kicks nobody", async (_, token) => {
    const { ask, kicks, outcomes } = await server();
    expect((await ask("/kick", token))[0]).toBe(401);
    expect(kicks).toEqual([]);
    expect(outcomes).toEqual(["unauthorized"]);
  });

  test("without a token is 401; nothing else is there, for whoever has it", async () => {
    const { ask, kicks, outcomes, port } = await server();
    const bare = await fetch(`http://127.0.0.1:${port}/kick`, { method: "POST" });
    expect([bare.status, bare.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    for (const path of ["/", "/kick/", "/metrics", "/KICK", "//kick"]) expect((await ask(path))[0]).toBe(404);
    for (const method of ["GET", "PUT", "DELETE"]) expect((await ask("/kick", TOKEN, method))[0]).toBe(405);
    expect((await ask(`/kick?${"service=a&".repeat(65)}`))[0]).toBe(431);
    expect(kicks).toEqual([]);
    expect(outcomes.filter((each) => each === "notFound")).toHaveLength(5);
  });
});

test.each([
  ["too short", "0123456789abcde\n", 0o640, /16 to 255 printable/],
  ["empty", "", 0o640, /16 to 255 printable/],
  ["too long", "a".repeat(256), 0o640, /16 to 255 printable/],
  ["with a space", "0123456789 abcdef", 0o640, /16 to 255 printable/],
  ["open to everybody", TOKEN, 0o644, /open to everybody/],
])("a token %s is refused with the file's name", async (_, text, mode, words) => {
  write(text, mode);
  const refusal = await server().catch((error: unknown) => error);
  expect(refusal).toMatchObject({ code: "kickToken", message: expect.stringMatching(words) });
  expect((refusal as Error).message).toContain(tokenFile);
});

test("a missing token and an address that is taken are told", async () => {
  rmSync(tokenFile);
  await expect(server()).rejects.toMatchObject({ code: "kickToken", message: expect.stringContaining("ENOENT") });
  write(TOKEN);
  const other = createServer();
  const port = await new Promise<number>((resolve) =>
    other.listen(0, "127.0.0.1", () => resolve((other.address() as { port: number }).port)),
  );
  closing.push(() => new Promise((done) => other.close(() => done())));
  const answers = { kick: () => ({ ok: true, lines: [] }) as const, answered: () => undefined };
  await expect(serveKicks({ address: ip("127.0.0.1"), port, tokenFile }, answers)).rejects.toMatchObject({
    code: "kickListen",
    message: expect.stringContaining("EADDRINUSE"),
  });
});

describe("the door", () => {
  function door() {
    const time = new VirtualTime();
    const calls: string[] = [];
    const { logger } = recordingLogger();
    const events = new EventLog({ logger, wallMs: () => 0 });
    const world = { refused: false };
    const it = new KickDoor({
      open: async ({ port }) => {
        if (world.refused) return Promise.reject(new HoldfastError("kickListen", "cannot listen: EADDRNOTAVAIL"));
        calls.push(`open ${port}`);
        return { close: async () => void calls.push(`close ${port}`) };
      },
      kick: () => ({ ok: true, lines: [] }),
      ...{ events, clock: time, timers: time },
    });
    return { it, world, time, calls, kinds: () => events.latest().map(({ kind }) => kind) };
  }
  const config = { address: ip("10.0.2.1"), port: 8009, tokenFile: "/token" };

  test("opens when this process is the one, follows reloads, and is free after its end", async () => {
    const { it, calls } = door();
    it.configure(config);
    expect(it.status()).toMatchObject({ listening: false });
    await it.begin();
    expect(it.status()).toMatchObject({ listening: true, problem: undefined });
    it.configure({ ...config, port: 8010 });
    await it.begin();
    it.configure(undefined);
    await it.end();
    expect(calls).toEqual(["open 8009", "close 8009", "open 8010", "close 8010"]);
    expect(it.status()).toBeUndefined();
  });

  test("what keeps it shut is told once, tried again, and keeps nobody from anything", async () => {
    const { it, world, time, kinds } = door();
    world.refused = true;
    it.configure(config);
    await it.begin();
    expect(it.status()).toMatchObject({ listening: false, problem: "cannot listen: EADDRNOTAVAIL" });
    await time.pass(12_000);
    expect(kinds()).toEqual(["kickProblem"]);
    world.refused = false;
    await time.pass(6_000);
    expect(it.status()).toMatchObject({ listening: true, problem: undefined });
    expect(kinds()).toEqual(["kickProblem", "kickListens"]);
  });
});
