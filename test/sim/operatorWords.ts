import { after, type Us } from "../../src/core/units.ts";
import type { Override } from "../../src/health/overrides.ts";
import type { Dice } from "./dice.ts";
import { hostIp } from "./healthRig.ts";

/** What an operator says over weights in a simulated life, and its own, simple rule of what counts. */
export class OperatorWords {
  private said: readonly (Override & { readonly keep: boolean })[] = [];
  private readonly dice: Dice;
  private spoken = 0;
  /** Since when nothing that was said is in force: figures count only where nobody interfered. */
  silentSince = 0;

  constructor(dice: Dice) {
    this.dice = dice;
  }

  /** One more word, about one of the hosts. Returns all words in force. */
  say(hosts: readonly number[], services: readonly string[], now: Us): readonly Override[] {
    const { dice } = this;
    const service = dice.chance(0.5) ? dice.pick(services) : undefined;
    const port = dice.chance(0.3) ? 5432 : undefined;
    const target = { address: hostIp(dice.pick(hosts)), port, service };
    const until = dice.chance(0.5) ? after(now, dice.span(50, 12_000)) : undefined;
    const word = { target, weight: dice.pick([0, 7, 90]), until, keep: dice.chance(0.5) };
    const key = JSON.stringify(target);
    this.said = [...this.inForce(now).filter((each) => JSON.stringify(each.target) !== key), word];
    this.spoken += 1;
    this.silentSince = Math.max(this.silentSince, until ?? Number.POSITIVE_INFINITY);
    return this.said;
  }

  /** All is as configured again. */
  takeBack(now: Us): readonly Override[] {
    this.said = [];
    this.silentSince = Math.min(this.silentSince, now);
    return this.said;
  }

  /** A restart: what was not to be kept is forgotten. */
  restart(now: Us): readonly Override[] {
    this.said = this.inForce(now).filter(({ keep }) => keep);
    return this.said;
  }

  inForce(now: Us): readonly (Override & { readonly keep: boolean })[] {
    return this.said.filter(({ until }) => until === undefined || until > now);
  }

  /** The weight said for a server; undefined = as configured. */
  weightFor(service: string, address: string, now: Us): number | undefined {
    const meant = this.inForce(now).filter(
      ({ target }) => target.address === address && (target.service ?? service) === service,
    );
    const rank = ({ target }: Override): number =>
      Number(target.service !== undefined) * 2 + Number(target.port !== undefined);
    return meant.toSorted((left, right) => rank(right) - rank(left))[0]?.weight;
  }

  /** Whether anything that was said may be in force. */
  get speaks(): boolean {
    return this.said.length > 0;
  }

  get count(): number {
    return this.spoken;
  }
}
