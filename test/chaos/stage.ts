/**
 * Two hosts, `a` with a holdfast that holds the addresses and `b` with a backup of either program, watched from outside:
 * by the kernels' addresses and by the frames on the bridge. What happens to `a` is the story's.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { startRouter } from "../interop/programs.ts";
import { AddressWatch, wallClockMs } from "../lab/addressWatch.ts";
import { onCleanup } from "../lab/cleanup.ts";
import { Holdfast, type HoldfastOptions } from "../lab/holdfast.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import type { RunningProcess } from "../lab/processes.ts";
import { waitFor } from "../lab/wait.ts";
import { Capture, type Frame } from "../netns/vrrp/capture.ts";
import {
  type Combination,
  combinationsOf,
  combinationText,
  configurationOf,
  HOST_ADDRESSES,
  type HostName,
  vipsOf,
} from "./combinations.ts";

const HOLDER_PRIORITY = 150;
export const SURVIVOR_PRIORITY = 100;

/** The backup, whichever program it is. */
interface Survivor {
  readonly process: RunningProcess;
  /** Every state that it has entered, of all instances. */
  states(): string[];
  stop(): Promise<unknown>;
}

export interface PairOptions extends HoldfastOptions {
  /** Added to each instance of both hosts. */
  readonly lines?: readonly string[];
}

export class Stage {
  readonly network: Network;
  readonly watch: AddressWatch;
  readonly capture: Capture;
  readonly #folder: string;
  #running: { stop(): Promise<unknown> }[] = [];

  private constructor(network: Network, watch: AddressWatch, capture: Capture) {
    this.network = network;
    this.watch = watch;
    this.capture = capture;
    this.#folder = mkdtempSync(join(tmpdir(), "holdfast-chaos-"));
    onCleanup(() => rmSync(this.#folder, { recursive: true, force: true }));
  }

  /** `others`: further hosts, which only use what the two offer. */
  static async open(prefix: string, others: readonly string[] = []): Promise<Stage> {
    const hosts = (["a", "b"] as const).map((name) => ({ name, addresses: [`${HOST_ADDRESSES[name]}/24`] }));
    const further = others.map((name, index) => ({ name, addresses: [`10.0.2.${100 + index}/24`] }));
    const network = await createNetwork({ prefix, hosts: [...hosts, ...further] });
    return new Stage(network, await AddressWatch.start(network.hosts), await Capture.start(network.bridge));
  }

  /** Both are up: `a` holds every address and its guard knows, `b` is the backup. */
  async pair(
    combination: Combination,
    options: PairOptions = {},
    survivorOptions: HoldfastOptions = {},
  ): Promise<Pair> {
    this.write("a", combination, options.lines);
    const holder = await Holdfast.start(this.network.host("a"), this.#file("a"), undefined, options);
    this.#running.push(holder);
    await holder.waitForStatus(
      "an armed guard",
      ({ vrrp, guard }) => vrrp.will.armed && guard !== undefined && vrrp.instances.every((i) => i.state === "MASTER"),
    );
    this.write("b", combination, options.lines);
    const survivor = await this.#startSurvivor(combination, survivorOptions);
    this.#running.push(survivor);
    await waitFor(() => survivor.states().length === vipsOf(combination).length, {
      what: "a backup",
      timeoutMs: 30_000,
      found: () => survivor.process.output,
    });
    return new Pair(this, combination, holder, survivor);
  }

  /** Writes a host's configuration anew. */
  write(host: HostName, combination: Combination, lines?: readonly string[]): void {
    const priority = host === "a" ? HOLDER_PRIORITY : SURVIVOR_PRIORITY;
    writeFileSync(this.#file(host), configurationOf(host, priority, combination, lines));
  }

  async #startSurvivor({ survivor, group }: Combination, options: HoldfastOptions): Promise<Survivor> {
    const host = this.network.host("b");
    if (survivor === "keepalived") {
      const text = readFileSync(this.#file("b"), "utf8");
      const router = await startRouter(survivor, host, text, this.#folder);
      const names = group ? ["V1", "V2"] : ["V1"];
      return {
        process: router.process,
        states: () => names.flatMap((name) => router.states(name)),
        stop: () => router.stop(),
      };
    }
    const daemon = await Holdfast.start(host, this.#file("b"), undefined, options);
    return {
      process: daemon.process,
      states: () =>
        daemon
          .log()
          .filter(({ event }) => event === "transition")
          .map(({ to }) => String(to)),
      stop: () => daemon.stop(),
    };
  }

  #file(host: HostName): string {
    return join(this.#folder, `${host}.conf`);
  }

  /** Ends what the round started, and waits until no address is left of it. */
  async clear(): Promise<void> {
    await Promise.all(this.#running.splice(0).map((each) => each.stop()));
    const held = (): string[] =>
      vipsOf({ survivor: "holdfast", unicast: false, nopreempt: false, group: true }).flatMap((vip) =>
        this.watch.holders(vip).map((host) => `${vip} at ${host}`),
      );
    await waitFor(() => held().length === 0, { what: "no address to be left", timeoutMs: 10_000, found: held });
  }

  async close(): Promise<void> {
    await this.watch.stop();
    await this.capture.stop();
    this.network.remove();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** One round. */
export class Pair {
  readonly combination: Combination;
  readonly holder: Holdfast;
  readonly survivor: Survivor;
  readonly host: NetworkHost;
  readonly #stage: Stage;
  readonly #sinceMs = wallClockMs();
  #judgedMs: number | undefined;

  constructor(stage: Stage, combination: Combination, holder: Holdfast, survivor: Survivor) {
    this.#stage = stage;
    this.combination = combination;
    this.holder = holder;
    this.survivor = survivor;
    this.host = stage.network.host("a");
  }

  async guard(): Promise<number> {
    return await waitFor(async () => (await this.holder.status()).guard?.processId, { what: "the guard" });
  }

  /** Waits until `host` alone has every address. */
  async untilHeldBy(host: HostName): Promise<void> {
    const holders = (): string[] => vipsOf(this.combination).map((vip) => this.#stage.watch.holders(vip).join());
    await waitFor(() => holders().every((names) => names === host), {
      what: `every address at ${host} alone`,
      timeoutMs: 30_000,
      found: () => `${holders().join(" ")}\n${this.holder.process.output}\n${this.survivor.process.output}`,
    });
  }

  /** Adverts that a host has sent from an instant on. */
  advertsOf(host: HostName, sinceMs: number): Frame[] {
    return this.#stage.capture.adverts(HOST_ADDRESSES[host]).filter(({ atMs }) => atMs >= sinceMs);
  }

  /** Between two adverts of a virtual router of `a` from an instant on, the last one before it included. */
  longestGapMs(sinceMs: number): number {
    const last = new Map<string, number>();
    let longestMs = 0;
    for (const { vrid, atMs } of this.advertsOf("a", 0)) {
      const beforeMs = last.get(vrid);
      last.set(vrid, atMs);
      if (beforeMs !== undefined && atMs >= sinceMs) longestMs = Math.max(longestMs, atMs - beforeMs);
    }
    return longestMs;
  }

  /** Waits for adverts of `a` from an instant on. */
  async untilAdverts(count: number, sinceMs: number): Promise<Frame[]> {
    return await waitFor(
      () => {
        const seen = this.advertsOf("a", sinceMs);
        return seen.length >= count ? seen : undefined;
      },
      { what: `${count} adverts`, timeoutMs: 30_000, found: () => this.holder.process.output },
    );
  }

  /** How long after an instant the survivor sent its first advert, once it has taken over. */
  async takenOverAfterMs(sinceMs: number): Promise<number> {
    await this.untilHeldBy("b");
    const first = await waitFor(() => this.advertsOf("b", sinceMs)[0], { what: "an advert of the survivor" });
    return first.atMs - sinceMs;
  }

  /**
   * From here on `a` takes part in elections again. Where it preempts, VRRP itself lets both hosts have an address for as
   * long as its advert is on the way and is acted on; that is not what the round is about.
   */
  endOfJudgement(): void {
    this.#judgedMs = this.twoHoldersMs();
  }

  /** From the last advert of `a` but a resignation to the first one of the survivor, once it has taken over. */
  async silenceMs(): Promise<number> {
    await this.untilHeldBy("b");
    const first = await waitFor(() => this.advertsOf("b", this.#sinceMs)[0], { what: "an advert of the survivor" });
    const last = this.advertsOf("a", 0).findLast(({ priority, atMs }) => priority !== "0" && atMs < first.atMs);
    if (last === undefined) throw new Error("the holder has sent adverts");
    return first.atMs - last.atMs;
  }

  /** For how long two hosts had an address, worst of all addresses, from the round's beginning to the end of judgement. */
  twoHoldersMs(): number {
    if (this.#judgedMs !== undefined) return this.#judgedMs;
    return Math.max(...vipsOf(this.combination).map((vip) => this.#stage.watch.doubleHoldMs(vip, this.#sinceMs)));
  }

  /** Who has the addresses now, without repetition. */
  holders(): string[] {
    return [...new Set(vipsOf(this.combination).flatMap((vip) => this.#stage.watch.holders(vip)))];
  }

  /** States that the first virtual router of `a` has entered, in order. */
  holderTransitions(): string[] {
    const transitions = this.holder.log().filter(({ event, instance }) => event === "transition" && instance === "V1");
    return transitions.map(({ to }) => String(to));
  }

  /** The other host has seen nothing: it is what it was at the beginning. */
  survivorHasStayedBackup(): boolean {
    return this.survivor.states().every((state) => state === "BACKUP");
  }
}

/**
 * Plays a story in all of its rounds, and prints the figures that it returns (milliseconds, or undefined for none). Whatever
 * it does: never had two hosts an address, and in the end one has them all.
 */
export async function playRounds(
  stage: Stage,
  story: { readonly number: number; readonly title: string; readonly options?: PairOptions },
  play: (pair: Pair) => Promise<number | undefined>,
): Promise<void> {
  const figures: number[] = [];
  for (const combination of combinationsOf(story.number)) {
    const text = combinationText(combination);
    const pair = await stage.pair(combination, story.options);
    try {
      const figure = await play(pair);
      if (figure !== undefined) figures.push(figure);
      expect(pair.twoHoldersMs(), text).toBe(0);
      expect(pair.holders(), text).toHaveLength(1);
      process.stdout.write(
        `chaos: ${story.title}: ${text}: ${figure === undefined ? "" : `${figure.toFixed(0)} ms, `}`,
      );
      process.stdout.write(`never two holders, ${pair.holders().join()} in the end\n`);
    } catch (error) {
      process.stdout.write(`chaos: ${story.title}: ${text}: failed\n${pair.holder.process.output}\n`);
      throw error;
    }
    await stage.clear();
  }
  if (figures.length > 0) process.stdout.write(`chaos: ${story.title}: ${spread(figures)}\n`);
}

function spread(figures: readonly number[]): string {
  const sorted = [...figures].sort((a, b) => a - b);
  const at = (part: number): string => (sorted[Math.floor((sorted.length - 1) * part)] ?? Number.NaN).toFixed(0);
  return `${sorted.length} rounds, least ${at(0)}, median ${at(0.5)}, most ${at(1)} ms`;
}
