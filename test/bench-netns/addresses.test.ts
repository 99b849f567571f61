import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Figure, median, printFigures, rounds, worst } from "../bench/report.ts";
import { type Program, startRouter } from "../interop/programs.ts";
import { instanceText } from "../interop/routerFile.ts";
import { AddressWatch, wallClockMs } from "../lab/addressWatch.ts";
import { createNetwork, type Network } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { FrameRecorder, latenessMs } from "./advertTimes.ts";

const COUNT = 600;
/** The others are excluded: a packet has no room for so many. */
const ADVERTISED = 10;
const NEIGHBOR_VRID = 2;

interface Transition {
  /** From the first advert until every address was on the host, and until every one had been announced once. */
  readonly addedMs: number;
  readonly announcedMs: number;
  /** Latest advert of the many addresses' instance, and of another one beside it, in percent of the interval of 1 s. */
  readonly latePercent: number;
  readonly neighborLatePercent: number;
}

const ipv4 = (index: number): string => `10.3.${Math.floor(index / 250)}.${(index % 250) + 1}`;
const ipv6 = (index: number): string => `2001:db8:0:3::${(index + 1).toString(16)}`;

function configuration(address: (index: number) => string, prefix: number): string {
  const all = Array.from({ length: COUNT }, (_, index) => `${address(index)}/${prefix}`);
  const linkLocal = prefix === 64 ? ["fe80::a/64"] : [];
  const excluded = all.slice(ADVERTISED);
  const instance = { priority: 150, version: 3, interval: 1 } as const;
  return (
    instanceText({
      ...instance,
      addresses: [...linkLocal, ...all.slice(0, ADVERTISED)],
      lines: ["virtual_ipaddress_excluded {", ...excluded, "}"],
    }) + instanceText({ ...instance, name: "BESIDE", virtualRouterId: NEIGHBOR_VRID, addresses: ["10.0.2.20/24"] })
  );
}

async function playTransition(
  program: Program,
  network: Network,
  text: string,
  addresses: readonly string[],
  seconds: number,
): Promise<Transition> {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-addresses-"));
  const host = network.host("router");
  const watch = await AddressWatch.start([host]);
  const recorder = await FrameRecorder.start(network.bridge);
  const router = await startRouter(program, host, text, folder, { terse: true });
  const present = (): number =>
    new Set(
      watch
        .events()
        .filter((event) => event.present)
        .map(({ address }) => address),
    ).size;
  await waitFor(() => addresses.every((address) => watch.holders(address).length > 0), {
    what: `${addresses.length} addresses`,
    timeoutMs: 60_000,
    intervalMs: 250,
    found: () => `${present()}; ${router.process.output.slice(-2000)}`,
  });
  const endsMs = wallClockMs() + seconds * 1000;
  await waitFor(() => wallClockMs() >= endsMs, {
    what: "the end",
    intervalMs: 100,
    timeoutMs: seconds * 1000 + 10_000,
  });
  const { adverts, announcements } = recorder.read();
  const added = new Map(
    watch.events().flatMap((event) => (event.present ? [[event.address, event.atMs] as const] : [])),
  );
  await router.stop();
  await recorder.stop();
  await watch.stop();
  rmSync(folder, { recursive: true, force: true });
  const own = adverts.filter(({ virtualRouterId, priority }) => virtualRouterId === 1 && priority > 0);
  const firstMs = own[0]?.atMs ?? Number.NaN;
  const firstAnnounced = new Map<string, number>();
  for (const { address, atMs } of announcements) {
    if (!firstAnnounced.has(address)) firstAnnounced.set(address, atMs);
  }
  const announced = addresses.map((address) => firstAnnounced.get(hexOf(address)) ?? Number.POSITIVE_INFINITY);
  const beside = adverts.filter(({ virtualRouterId, priority }) => virtualRouterId === NEIGHBOR_VRID && priority > 0);
  return {
    addedMs: worst(addresses.map((address) => added.get(address) ?? Number.POSITIVE_INFINITY)) - firstMs,
    announcedMs: worst(announced) - firstMs,
    latePercent: worst(latenessMs(own, 1000)) / 10,
    neighborLatePercent: worst(latenessMs(beside, 1000)) / 10,
  };
}

/** Address bytes as hex; of IPv6 only the form that `ipv6` above writes. */
function hexOf(address: string): string {
  if (!address.includes(":")) {
    return address
      .split(".")
      .map((part) => Number(part).toString(16).padStart(2, "0"))
      .join("");
  }
  const last = address.split("::")[1] ?? "";
  return `20010db800000003${last.padStart(16, "0")}`;
}

requires(
  "netns",
  "keepalived",
  "tcpdump",
)("many addresses on one transition", () => {
  const SECONDS = rounds(3, 20);
  for (const [title, address, prefix] of [
    ["IPv4", ipv4, 32],
    ["IPv6", ipv6, 64],
  ] as const) {
    test(`${COUNT} ${title} addresses`, async () => {
      const network = await createNetwork({
        prefix: "addresses",
        hosts: [{ name: "router", addresses: ["10.0.2.1/24", "fe80::11/64"] }],
      });
      try {
        const addresses = Array.from({ length: COUNT }, (_, index) => address(index));
        const figures: Figure[] = [];
        for (const program of ["holdfast", "keepalived"] as const) {
          const text = configuration(address, prefix);
          const seen = await playTransition(program, network, text, addresses, SECONDS);
          const goal = (goalAtMost: number) => (program === "holdfast" ? { goalAtMost } : {});
          const under = title === "IPv4" ? goal(1000) : {};
          figures.push(
            { what: `${program}: all added`, value: seen.addedMs, unit: "ms after the first advert", ...under },
            {
              what: `${program}: all announced once`,
              value: seen.announcedMs,
              unit: "ms after the first advert",
              ...under,
            },
            { what: `${program}: latest advert`, value: seen.latePercent, unit: "% of 1 s", ...goal(10) },
            {
              what: `${program}: latest advert of an instance beside`,
              value: seen.neighborLatePercent,
              unit: "% of 1 s",
              ...goal(10),
            },
          );
          if (program === "holdfast") expect(seen.announcedMs).toBeLessThan(Number.POSITIVE_INFINITY);
        }
        printFigures(`${COUNT} ${title} addresses on one transition`, figures);
      } finally {
        network.remove();
      }
    }, 300_000);
  }
});

requires(
  "netns",
  "keepalived",
  "tcpdump",
)("an address that somebody removes", () => {
  const REMOVALS = rounds(1, 20);
  test(`is put back; ${REMOVALS} removals`, async () => {
    const VIP = "10.0.2.10";
    const network = await createNetwork({ prefix: "removed", hosts: [{ name: "router", addresses: ["10.0.2.1/24"] }] });
    const host = network.host("router");
    const folder = mkdtempSync(join(tmpdir(), "holdfast-removed-"));
    try {
      const figures: Figure[] = [];
      for (const program of ["holdfast", "keepalived"] as const) {
        const gaps: number[] = [];
        const watch = await AddressWatch.start([host]);
        const text = instanceText({ priority: 150, version: 2, interval: 1, addresses: [`${VIP}/32`] });
        while (gaps.length < REMOVALS) {
          // A new life each time: several removals within a short time are taken for somebody else's will.
          const router = await startRouter(program, host, text, folder, { terse: true });
          await waitFor(() => watch.holders(VIP).length === 1, { what: "the VIP", timeoutMs: 20_000 });
          const beganMs = wallClockMs();
          await host.ip("address", "delete", `${VIP}/32`, "dev", "eth0");
          const gone = await waitFor(() => watch.first("router", VIP, false, beganMs), { what: "the removal" });
          const back = await waitFor(() => watch.first("router", VIP, true, gone.atMs), {
            what: "the VIP again",
            timeoutMs: 20_000,
          });
          gaps.push(back.atMs - gone.atMs);
          await router.stop();
          await waitFor(() => watch.holders(VIP).length === 0, { what: "the VIP gone" });
        }
        await watch.stop();
        figures.push(
          { what: `${program}: put back after, median`, value: median(gaps), unit: "ms" },
          {
            what: `${program}: put back after, worst`,
            value: worst(gaps),
            unit: "ms",
            ...(program === "holdfast" ? { goalAtMost: 200 } : {}),
          },
        );
      }
      printFigures(`a VIP removed by hand (${REMOVALS} removals each)`, figures);
      expect(figures).toHaveLength(4);
    } finally {
      network.remove();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 600_000);
});
