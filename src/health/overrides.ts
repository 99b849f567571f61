import { endpointText, type Ip, parseIp } from "../core/ip.ts";
import type { Us } from "../core/units.ts";
import type { ServerState, ServiceState } from "./state.ts";

/** Which servers an operator means: one address everywhere, or narrowed down to a port, to one service. */
export interface OverrideTarget {
  readonly address: Ip;
  readonly port: number | undefined;
  /** A virtual server's name: `TCP 10.0.2.10:5432`. */
  readonly service: string | undefined;
}

/**
 * An operator's word over the configured weight, at run time. It says what a server that may have weight gets, never
 * that one may: a failed or unchecked server, and one that does not hold an exclusive service, have none whatever it says.
 */
export interface Override {
  readonly target: OverrideTarget;
  /** 0 = drained. */
  readonly weight: number;
  /** Undefined = until it is taken back. */
  readonly until: Us | undefined;
}

/** `10.0.2.3`, `10.0.2.3:5432`, `[2001:db8::3]:5432`; undefined when it is none of them. */
export function parseServer(text: string): Pick<OverrideTarget, "address" | "port"> | undefined {
  const plain = parseIp(text);
  if (plain !== undefined) return { address: plain, port: undefined };
  const [, bracketed, bare, digits] = /^(?:\[(.*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? [];
  const address = parseIp(bracketed ?? bare ?? "");
  const port = Number(digits);
  if (address === undefined || port > 65_535 || (bracketed === undefined) === address.includes(":")) return undefined;
  return { address, port };
}

/** `10.0.2.3 everywhere`, `10.0.2.3:5432 of TCP 10.0.2.10:5432` */
export function targetText({ address, port, service }: OverrideTarget): string {
  return `${port === undefined ? address : endpointText(address, port)} ${service === undefined ? "everywhere" : `of ${service}`}`;
}

/** `drained`, `weight 5` */
export const overrideText = ({ weight }: Pick<Override, "weight">): string =>
  weight === 0 ? "drained" : `weight ${weight}`;

export function isTargeted(
  target: OverrideTarget,
  server: { readonly address: Ip; readonly port: number },
  service: string,
): boolean {
  return (
    target.address === server.address &&
    (target.port === undefined || target.port === server.port) &&
    (target.service === undefined || target.service === service)
  );
}

/** True when whatever `narrow` means, `wide` means too. */
export function covers(wide: OverrideTarget, narrow: OverrideTarget): boolean {
  return (
    wide.address === narrow.address &&
    (wide.port === undefined || wide.port === narrow.port) &&
    (wide.service === undefined || wide.service === narrow.service)
  );
}

export const isSameTarget = (one: OverrideTarget, other: OverrideTarget): boolean =>
  covers(one, other) && covers(other, one);

/** The service narrows more than the port: what is said of one service is meant for it. */
const narrowness = ({ port, service }: OverrideTarget): number =>
  (service === undefined ? 0 : 2) + (port === undefined ? 0 : 1);

/** What counts for a server: the narrowest of the overrides that mean it. */
export function overrideFor(
  overrides: readonly Override[],
  server: { readonly address: Ip; readonly port: number },
  service: string,
): Override | undefined {
  return overrides
    .filter(({ target }) => isTargeted(target, server, service))
    .reduce<Override | undefined>(
      (best, each) => (best === undefined || narrowness(each.target) > narrowness(best.target) ? each : best),
      undefined,
    );
}

/** Gives every server of a service what counts for it now; true when that changed for any. */
export function applyOverrides(service: ServiceState, overrides: readonly Override[]): boolean {
  let changed = false;
  for (const server of service.servers) {
    const override = overrideFor(overrides, server.config, service.id);
    changed ||= override !== server.override;
    server.override = override;
  }
  return changed;
}

/**
 * The weight of a server that may have one. One without a verdict keeps at most what the kernel's row had: an override
 * lowers it at once and raises it with its first verdict.
 */
export function overriddenWeight({ override }: Pick<ServerState, "override">, weight: number, proven: boolean): number {
  if (override === undefined) return weight;
  return proven ? override.weight : Math.min(weight, override.weight);
}

/** Splits off what has come to its end. */
export function expire(
  overrides: readonly Override[],
  now: Us,
): { readonly left: readonly Override[]; readonly ended: readonly Override[] } {
  const isOver = ({ until }: Override): boolean => until !== undefined && until <= now;
  const ended = overrides.filter(isOver);
  return ended.length === 0 ? { left: overrides, ended } : { left: overrides.filter((each) => !isOver(each)), ended };
}

/** When the next one ends. */
export function nextExpiry(overrides: readonly Override[]): Us | undefined {
  return overrides.reduce<Us | undefined>(
    (least, { until }) => (until !== undefined && (least === undefined || until < least) ? until : least),
    undefined,
  );
}
