import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { wallClockMs } from "../lab/addressWatch.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { faultsOf } from "../netns/vrrp/capture.ts";
import { withEitherProgram } from "./eitherProgram.ts";
import { Lan } from "./lan.ts";
import type { Program } from "./programs.ts";
import { type InstanceText, instanceText, masterDownMs, skewMs } from "./routerFile.ts";

/** Against the capture's kernel time stamps nothing may be early; a millisecond is the kernel's own between timer and frame. */
const EARLY_MS = 1;

interface Dialect {
  readonly title: string;
  readonly version: 2 | 3;
  /** Seconds. */
  readonly interval: number;
  readonly addresses: readonly string[];
  /** Addresses as they stand in the adverts. */
  readonly advertised: string;
  /** Addresses that the hosts `high` and `low` send from. */
  readonly sources: readonly [string, string];
  /** Where the adverts of `high` go. */
  readonly destination: string;
  readonly lines: (own: string, other: string) => readonly string[];
  readonly authType?: string;
  /** Where that is not 255. */
  readonly keepalivedTimeToLive?: string;
}

const V4 = ["10.0.2.1", "10.0.2.2"] as const;
const V6 = ["fe80::11", "fe80::12"] as const;
const unicast = (own: string, other: string): string[] => [`unicast_src_ip ${own}`, "unicast_peer {", other, "}"];
const none = (): string[] => [];
const IPV4 = { addresses: ["10.0.2.10/24", "10.0.9.10/24"], advertised: "10.0.2.10,10.0.9.10", sources: V4 } as const;
const IPV6 = { addresses: ["fe80::a/64", "2001:db8::a/64"], advertised: "fe80::a,2001:db8::a", sources: V6 } as const;

const DIALECTS: readonly Dialect[] = [
  { title: "version 2", ...IPV4, version: 2, interval: 1, destination: "224.0.0.18", lines: none },
  {
    title: "version 2 with PASS",
    ...IPV4,
    version: 2,
    interval: 1,
    destination: "224.0.0.18",
    lines: () => ["authentication {", "auth_type PASS", "auth_pass secret78", "}"],
    authType: "1",
  },
  {
    title: "version 2 with PASS, unicast",
    ...IPV4,
    version: 2,
    interval: 1,
    destination: V4[1],
    lines: (own, other) => ["authentication {", "auth_type PASS", "auth_pass secret78", "}", ...unicast(own, other)],
    authType: "1",
  },
  { title: "version 3 over IPv4", ...IPV4, version: 3, interval: 0.1, destination: "224.0.0.18", lines: none },
  { title: "version 3 over IPv4, unicast", ...IPV4, version: 3, interval: 0.1, destination: V4[1], lines: unicast },
  { title: "version 3 over IPv6", ...IPV6, version: 3, interval: 0.1, destination: "ff02::12", lines: none },
  {
    title: "version 3 over IPv6, unicast",
    ...IPV6,
    version: 3,
    interval: 0.1,
    destination: V6[1],
    lines: unicast,
    // The kernel's default: 2.2.7 sets the hop limit of its multicast socket only, and accepts any in unicast.
    keepalivedTimeToLive: "64",
  },
];

requires(
  "netns",
  "keepalived",
  "tshark",
)("one file, two programs", () => {
  let lan: Lan;

  beforeAll(async () => {
    lan = await Lan.open({
      prefix: "elect",
      hosts: [
        { name: "high", addresses: ["10.0.2.1/24", "fe80::11/64"] },
        { name: "low", addresses: ["10.0.2.2/24", "fe80::12/64"] },
      ],
    });
  });
  afterEach(async () => {
    await lan?.clear();
  });
  afterAll(async () => {
    await lan?.close();
  });

  for (const dialect of DIALECTS) {
    withEitherProgram(`${dialect.title}: election, resignation, return and death`, async (high, low) => {
      await playElections(lan, dialect, high, low);
    });
  }
});

/** Start, stop, return and death of the router of the higher priority. */
async function playElections(lan: Lan, dialect: Dialect, highProgram: Program, lowProgram: Program): Promise<void> {
  const [highSource, lowSource] = dialect.sources;
  const [vip = ""] = dialect.advertised.split(",");
  const high: InstanceText = { ...dialect, priority: 150, lines: dialect.lines(highSource, lowSource) };
  // What each source has to send, if not 255.
  const timeToLive = new Map(
    dialect.sources.map((source, index) => [
      source,
      [highProgram, lowProgram][index] === "keepalived" ? dialect.keepalivedTimeToLive : undefined,
    ]),
  );
  lan.faultsOfAdvert = (advert) => faultsOf(advert, timeToLive.get(advert.source));
  const low: InstanceText = { ...dialect, priority: 100, lines: dialect.lines(lowSource, highSource) };

  const first = await lan.start(highProgram, "high", instanceText(high));
  await lan.untilState(first, "MASTER");
  const lowRouter = await lan.start(lowProgram, "low", instanceText(low));
  await lan.untilState(lowRouter, "BACKUP");
  await lan.untilHeldBy(vip, "high");
  const heardFromMs = wallClockMs();
  for (const advert of (await lan.untilAdverts(highSource, 5, heardFromMs)).slice(0, 5)) {
    expect(advert).toMatchObject({
      destination: dialect.destination,
      version: String(dialect.version),
      vrid: "1",
      priority: "150",
      [dialect.version === 2 ? "interval" : "intervalCs"]: String(dialect.version === 2 ? 1 : 10),
      addresses: dialect.advertised,
      ...(dialect.version === 2 ? { authType: dialect.authType ?? "0" } : {}),
    });
    if (dialect.authType !== undefined) expect(advert.authPassword).toBe("secret78");
  }
  expect(lan.capture.announcements(vip, first.startedMs).length).toBeGreaterThanOrEqual(5);
  expect(lan.capture.adverts(lowSource, heardFromMs)).toEqual([]);

  // It stops: a priority-0 advert, and the other takes over in its skew time (RFC 9568 6.4.2 (420)).
  let beginMs = wallClockMs();
  await first.stop();
  const resigned = await lan.capture.waitForAdvert(
    "resignation",
    highSource,
    ({ priority }) => priority === "0",
    beginMs,
  );
  let taken = await lan.capture.waitForAdvert("takeover", lowSource, () => true, beginMs);
  expect(taken.atMs - resigned.atMs).toBeGreaterThan(skewMs(low) - EARLY_MS);
  await lan.untilHeldBy(vip, "low");
  expect(lowRouter.states()).toEqual(["BACKUP", "MASTER"]);

  // It returns and preempts; the other hears it and gives way.
  const second = await lan.start(highProgram, "high", instanceText(high));
  await lan.untilState(second, "MASTER");
  await lan.untilState(lowRouter, "BACKUP");
  await lan.untilHeldBy(vip, "high");
  expect(second.states()).toEqual(["BACKUP", "MASTER"]);
  // A first advert sets the clock that the death below is measured by.
  await lan.untilAdverts(highSource, 3, second.startedMs);

  // It dies: the other waits for a master-down interval, no less.
  beginMs = wallClockMs();
  await second.kill();
  const killedMs = wallClockMs();
  taken = await lan.capture.waitForAdvert("takeover", lowSource, () => true, beginMs);
  const last = lan.capture
    .adverts(highSource, second.startedMs)
    .filter(({ atMs }) => atMs < killedMs)
    .at(-1);
  expect(taken.atMs - (last?.atMs ?? 0)).toBeGreaterThan(masterDownMs(low) - EARLY_MS);
  await waitFor(() => lan.watch.holders(vip).includes("low"), { what: `${vip} at low` });
  expect(lowRouter.states()).toEqual(["BACKUP", "MASTER", "BACKUP", "MASTER"]);
}
