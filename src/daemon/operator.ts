import type { VirtualServerConfig } from "../config/types.ts";
import { HoldfastError } from "../core/errors.ts";
import type { Clock } from "../core/interfaces.ts";
import { endpointText } from "../core/ip.ts";
import { durationUs, milliseconds, seconds, toMilliseconds, type Us } from "../core/units.ts";
import { IPVS_WEIGHT_MAX } from "../core/weights.ts";
import {
  covers,
  expire,
  isSameTarget,
  isTargeted,
  type Override,
  type OverrideTarget,
  overrideText,
  parseServer,
  targetText,
} from "../health/overrides.ts";
import type { ServerHealth, ServiceHealth } from "../health/types.ts";
import { destinationId, serviceId } from "../plan/keys.ts";
import type { KickRequest, OperatorStatus, OverrideRequest } from "./control.types.ts";
import type { HealthDriver } from "./healthDriver.ts";
import { type OperatorMemory, readMemory } from "./operatorMemory.ts";
import type { TableOwner } from "./tableOwner.ts";

/** A year: what is meant to last longer belongs into the configuration. */
const SPAN_MAX_SEC = 31_536_000;
const PAUSE_MAX_SEC = 86_400;

export interface OperatorModules {
  /** Remembers over restarts and handovers. */
  readonly store: { readOperatorMemory(): unknown; writeOperatorMemory(memory: OperatorMemory): void };
  readonly health: Pick<HealthDriver, "override" | "view" | "kick" | "forgetCluster">;
  readonly table: Pick<TableOwner, "pauseRepair" | "pausedUntil">;
  readonly services: () => readonly VirtualServerConfig[];
  /** Why nothing can be said now: the table is being given up, or is a successor's; undefined = it can. */
  readonly refusal: () => string | undefined;
  readonly clock: Clock;
  readonly wallMs: () => number;
}

/** What was done, line by line for the operator, or why nothing was. */
export type OperatorResult =
  | { readonly ok: true; readonly lines: readonly string[] }
  | { readonly ok: false; readonly error: string };

type BookedOverride = Override & { readonly keep: boolean };

const refused = (error: string): OperatorResult => ({ ok: false, error });

/** What operators say at run time: weights over those of the configuration, and pauses of the repair. */
export class Operator {
  readonly #modules: OperatorModules;
  #booked: readonly BookedOverride[] = [];

  constructor(modules: OperatorModules) {
    this.#modules = modules;
  }

  /**
   * Takes up what an earlier life has remembered: after a restart only what was to be kept and a pause that has not
   * ended; `inherited`, in a successor, all of it.
   */
  load(inherited: boolean): void {
    const { store, health, table } = this.#modules;
    const { overrides, repairPausedUntilMs } = readMemory(store.readOperatorMemory());
    const kept = overrides
      .filter(({ keep }) => keep || inherited)
      .map(({ target, weight, keep, endsAtMs }) => ({ target, weight, keep, until: this.#instantOf(endsAtMs) }));
    this.#booked = this.#current(kept);
    // The pause first: what overrides change of the table is to wait for its end.
    const pausedUntil = this.#instantOf(repairPausedUntilMs);
    if (pausedUntil !== undefined && pausedUntil > this.#modules.clock.nowUs()) table.pauseRepair(pausedUntil);
    if (this.#booked.length > 0) health.override(this.#booked);
  }

  /** `holdfast drain` and `holdfast weight`; the request comes from outside and is examined here. */
  override(request: OverrideRequest): OperatorResult {
    const refusal = this.#modules.refusal();
    if (refusal !== undefined) return refused(refusal);
    const { weight, seconds: span, keep } = request;
    if (!isWhole(weight, IPVS_WEIGHT_MAX))
      return refused(`weight ${String(weight)} is not a whole number from 0 to ${IPVS_WEIGHT_MAX}`);
    if (span !== undefined && (!isWhole(span, SPAN_MAX_SEC) || span === 0)) {
      return refused(`${String(span)} is not a whole number of seconds from 1 to ${SPAN_MAX_SEC}`);
    }
    const found = this.#targetOf(request);
    if (!found.ok) return found;
    const { target } = found;
    const until = span === undefined ? undefined : this.#from(span);
    const override: BookedOverride = { target, weight, until, keep: keep === true };
    this.#book([...this.#current().filter((each) => !isSameTarget(each.target, target)), override]);
    return { ok: true, lines: this.#servers(target).map(([service, server]) => effectText(service, server, target)) };
  }

  /** `holdfast enable`: takes back whatever was said of the target or of a part of it. */
  enable(request: OverrideRequest): OperatorResult {
    const refusal = this.#modules.refusal();
    if (refusal !== undefined) return refused(refusal);
    const found = this.#targetOf(request, true);
    if (!found.ok) return found;
    const { target } = found;
    const current = this.#current();
    const ended = current.filter((each) => covers(target, each.target));
    if (ended.length === 0) {
      const wider = current.find((each) => covers(each.target, target));
      if (wider === undefined) return refused(`nothing was said of ${targetText(target)}: it is as configured`);
      const what = `${targetText(wider.target)} is ${overrideText(wider)} as a whole`;
      return refused(`${what}: enable that, or say for ${targetText(target)} which weight it is to have`);
    }
    this.#book(current.filter((each) => !ended.includes(each)));
    const taken = ended.map((each) => `${targetText(each.target)}: no longer ${overrideText(each)}`);
    return {
      ok: true,
      lines: [...taken, ...this.#servers(target).map(([service, server]) => effectText(service, server, target))],
    };
  }

  /** `holdfast kick` and `POST /kick`: a hint of `source` that roles have changed. It makes checks ask, and moves nothing by itself. */
  kick({ services: written }: Pick<KickRequest, "services">, source: string): OperatorResult {
    const refusal = this.#modules.refusal();
    if (refusal !== undefined) return refused(refusal);
    const services = this.#modules.services();
    const found = servicesNamed(services, written);
    if (!found.ok) return found;
    const all = found.meant.length === 0;
    this.#modules.health.kick(all ? undefined : new Set(found.meant.map(({ name }) => name)), source);
    return { ok: true, lines: [`the checks of these services ask now: ${namesOf(all ? services : found.meant)}`] };
  }

  /** `holdfast forget`: the clusters that these services follow may be others now, by scope and system identifier. */
  forget(written: unknown): OperatorResult {
    const refusal = this.#modules.refusal();
    if (refusal !== undefined) return refused(refusal);
    const found = followersNamed(this.#modules.services(), written);
    if (!found.ok) return found;
    const { meant } = found;
    this.#modules.health.forgetCluster(new Set(meant.map(({ name }) => name)));
    return {
      ok: true,
      lines: meant.map(({ name }) => `${name}: the next list of members decides whose cluster it is`),
    };
  }

  /** `holdfast pause-repair`; 0 ends a pause. */
  pauseRepair(span: unknown): OperatorResult {
    const refusal = this.#modules.refusal();
    if (refusal !== undefined) return refused(refusal);
    if (!isWhole(span, PAUSE_MAX_SEC))
      return refused(`${String(span)} is not a whole number of seconds from 0 to ${PAUSE_MAX_SEC}`);
    const { table } = this.#modules;
    const was = table.pausedUntil !== undefined;
    table.pauseRepair(span === 0 ? undefined : this.#from(span));
    this.#remember();
    if (span > 0)
      return { ok: true, lines: [`for ${span} s the kernel's table is yours: nothing is repaired or programmed`] };
    return { ok: true, lines: [was ? "the kernel's table is repaired and programmed again" : "nothing was paused"] };
  }

  /** The daemon takes its services out of the table: the next one finds nothing that was to be left alone. */
  stopping(): void {
    if (this.#modules.table.pausedUntil === undefined) return;
    try {
      this.#remember({ paused: false });
    } catch (error) {
      // Worse than a pause that is remembered too long is an end that does not come.
      if (!(error instanceof HoldfastError)) throw error;
    }
  }

  status(): OperatorStatus {
    const { wallMs, table } = this.#modules;
    const overrides = this.#current().map(({ target, weight, until, keep }) => ({
      ...{ target: targetText(target), weight, keep },
      endsAtMs: this.#wallOf(until, wallMs()),
      servers: this.#servers(target).map(([{ service }, { server }]) => `${service} ${server}`),
    }));
    return { overrides, repairPausedUntilMs: this.#wallOf(table.pausedUntil, wallMs()) };
  }

  #book(booked: readonly BookedOverride[]): void {
    const before = this.#booked;
    this.#booked = booked;
    try {
      this.#remember();
    } catch (error) {
      this.#booked = before;
      throw error;
    }
    this.#modules.health.override(booked);
  }

  #remember({ paused } = { paused: true }): void {
    const { store, wallMs, table } = this.#modules;
    const now = wallMs();
    const overrides = this.#current().map(({ target, weight, keep, until }) => ({
      ...{ target, weight, keep },
      endsAtMs: this.#wallOf(until, now),
    }));
    const repairPausedUntilMs = paused ? this.#wallOf(table.pausedUntil, now) : undefined;
    store.writeOperatorMemory({ overrides, repairPausedUntilMs });
  }

  #current(booked = this.#booked): readonly BookedOverride[] {
    return expire(booked, this.#modules.clock.nowUs()).left as readonly BookedOverride[];
  }

  /** The servers that a target means, as they are now. */
  #servers(target: OverrideTarget): (readonly [ServiceHealth, ServerHealth])[] {
    const meant = new Set(
      this.#modules
        .services()
        .flatMap(({ name, realServers }) =>
          realServers
            .filter((server) => isTargeted(target, server, name))
            .map((server) => `${name} ${destinationId(server)}`),
        ),
    );
    return this.#modules.health
      .view()
      .flatMap((service) => service.servers.map((server) => [service, server] as const))
      .filter(([{ service }, { server }]) => meant.has(`${service} ${server}`));
  }

  /** `gone`: what has left the configuration may still be taken back. */
  #targetOf(
    request: OverrideRequest,
    gone = false,
  ): { readonly ok: true; readonly target: OverrideTarget } | { readonly ok: false; readonly error: string } {
    const server = parseServer(String(request.server));
    if (server === undefined) {
      return {
        ok: false,
        error: `${String(request.server)} is no server: write ADDRESS, ADDRESS:PORT or [ADDRESS]:PORT`,
      };
    }
    const services = this.#modules.services();
    const wanted = request.service;
    const named = services.filter((service) => wanted === undefined || answersTo(service, wanted));
    if (named.length === 0 && !gone)
      return { ok: false, error: `there is no service ${wanted}; there are: ${namesOf(services)}` };
    if (wanted !== undefined && named.length > 1) return { ok: false, error: ambiguity(wanted, named) };
    const target = { ...server, service: wanted === undefined ? undefined : (named[0]?.name ?? wanted) };
    const isThere = named.some((service) => service.realServers.some((each) => isTargeted(target, each, service.name)));
    if (isThere || (gone && this.#booked.some((each) => covers(target, each.target)))) return { ok: true, target };
    const known = [...new Set(named.flatMap(({ realServers }) => realServers.map(destinationId)))];
    return { ok: false, error: `there is no real_server ${targetText(target)}; there are: ${listOf(known)}` };
  }

  #from(spanSec: number): Us {
    return (this.#modules.clock.nowUs() + seconds(spanSec)) as Us;
  }

  #instantOf(wall: number | undefined): Us | undefined {
    if (wall === undefined) return undefined;
    return (this.#modules.clock.nowUs() + milliseconds(wall - this.#modules.wallMs())) as Us;
  }

  #wallOf(at: Us | undefined, nowMs: number): number | undefined {
    return at === undefined
      ? undefined
      : Math.round(nowMs + toMilliseconds(durationUs(at - this.#modules.clock.nowUs())));
  }
}

const isWhole = (value: unknown, max: number): value is number =>
  typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max;

type ServicesNamed =
  | { readonly ok: true; readonly meant: readonly VirtualServerConfig[] }
  | { readonly ok: false; readonly error: string };

/** The services that are written, each by any of its names; whoever is meant by one of them, since a kick moves nothing. */
function servicesNamed(services: readonly VirtualServerConfig[], written: unknown): ServicesNamed {
  const wanted: readonly unknown[] = Array.isArray(written) ? written : [];
  const unknown = wanted.find((each) => !services.some((service) => answersTo(service, String(each))));
  if (unknown !== undefined)
    return { ok: false, error: `there is no service ${String(unknown)}; there are: ${namesOf(services)}` };
  return { ok: true, meant: services.filter((service) => wanted.some((each) => answersTo(service, String(each)))) };
}

/** The services with `patroni_cluster` that are written, at least one, and each of them by a name that means no other one. */
function followersNamed(services: readonly VirtualServerConfig[], written: unknown): ServicesNamed {
  const following = services.filter(({ discovery }) => discovery !== undefined);
  const known = `with patroni_cluster there are: ${namesOf(following)}`;
  const wanted: readonly string[] = Array.isArray(written) ? written.map(String) : [];
  const meant = new Set<VirtualServerConfig>();
  for (const each of wanted) {
    const named = following.filter((service) => answersTo(service, each));
    const [only] = named;
    if (named.length > 1) return { ok: false, error: ambiguity(each, named) };
    if (only !== undefined) meant.add(only);
    else if (services.some((service) => answersTo(service, each)))
      return { ok: false, error: `${each} follows no cluster (patroni_cluster); ${known}` };
    else return { ok: false, error: `there is no service ${each}; ${known}` };
  }
  return meant.size === 0 ? { ok: false, error: `name the services; ${known}` } : { ok: true, meant: [...meant] };
}

const ambiguity = (wanted: string, named: readonly VirtualServerConfig[]): string =>
  `${wanted} may be ${namesOf(named)}: write one of them`;

/** By its name, without the protocol, or by one of a group's addresses. */
function answersTo({ name, targets }: VirtualServerConfig, wanted: string): boolean {
  return (
    name === wanted ||
    targets.some(
      (target) =>
        serviceId(target) === wanted ||
        (target.protocol !== "FWM" && endpointText(target.address, target.port) === wanted),
    )
  );
}

const namesOf = (services: readonly VirtualServerConfig[]): string => listOf(services.map(({ name }) => name));

const LISTED_MAX = 20;
const listOf = (names: readonly string[]): string =>
  names.length === 0 ? "none" : `${names.slice(0, LISTED_MAX).join(", ")}${names.length > LISTED_MAX ? ", ..." : ""}`;

/** What came of it for one server, and why where it is not what was asked for. */
function effectText(service: ServiceHealth, server: ServerHealth, asked: OverrideTarget): string {
  const what = `${service.service}: ${server.server} has weight ${server.weight}`;
  const { override } = server;
  if (override === undefined) return what;
  if (override.target !== targetText(asked)) return `${what}: what was said of ${override.target} counts here`;
  if (override.weight === server.weight) {
    const last = service.exclusive && service.holder === server.server && server.weight === 0;
    return last ? `${what}: it holds this exclusive service, so nobody gets new connections now` : what;
  }
  if (service.exclusive && service.holder !== server.server) {
    return `${what}, without effect now: ${service.holder ?? "nobody"} holds this exclusive service; a second server never gets weight`;
  }
  return `${what}, without effect now: ${server.verdict} (${server.reason}); only a server whose checks pass gets weight`;
}
