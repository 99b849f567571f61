import type { Dice } from "../dice.ts";
import { Faults } from "../vrrp/faults.ts";
import type { Disturbance } from "../vrrp/simulate.ts";
import type { Director, DirectorTrouble } from "./director.ts";
import { jointPending } from "./pending.ts";
import type { JointWorld } from "./world.ts";

type End = () => void;

const EPISODE_EVERY_MS = 12_000;
const FAULT_EVERY_MS = 10_000;

/** Disturbs both halves at once: the VRRP simulation's faults, the cluster's episodes, and what happens to tables and checks. */
export class JointFaults implements Disturbance {
  readonly vrrp: Faults;
  begun = 0;
  readonly #world: JointWorld;
  readonly #dice: Dice;
  readonly #active = new Set<End>();
  #era = 0;

  constructor(world: JointWorld) {
    this.#world = world;
    this.#dice = world.dice;
    this.vrrp = new Faults(world.vrrp);
  }

  begin(): void {
    this.vrrp.begin();
    const era = this.#era;
    this.#again(era, EPISODE_EVERY_MS, () => this.#world.playEpisode());
    this.#again(era, FAULT_EVERY_MS, () => this.#strike());
  }

  heal(): void {
    this.#era++;
    for (const end of [...this.#active]) this.#end(end);
    for (const director of this.#world.directors) director.tell((now) => director.words.takeBack(now));
    this.vrrp.heal();
  }

  pending(): string[] {
    return jointPending(this.#world);
  }

  #again(era: number, meanMs: number, what: () => void): void {
    const { vrrp } = this.#world;
    const wait = -Math.log(1 - this.#dice.next()) * meanMs * 1_000;
    vrrp.at(vrrp.nowUs + wait, () => {
      if (era !== this.#era) return;
      what();
      this.#again(era, meanMs, what);
    });
  }

  #strike(): void {
    const { vrrp, directors } = this.#world;
    const director = this.#dice.pick(directors);
    const strike = this.#dice.pick([
      () => this.#trouble(director, "operationFails", 0.3),
      () => this.#trouble(director, "operationsLate", 0.5),
      () => this.#trouble(director, "handStrikes", 0.2),
      () => this.#hand(director),
      () => this.#cutOff(director),
      () => this.#coldStart(director),
      () => this.#reload(),
      () => this.#speak(director),
    ]);
    const end = strike();
    this.begun++;
    if (end === undefined) return;
    this.#active.add(end);
    const era = this.#era;
    vrrp.at(vrrp.nowUs + this.#dice.span(50, 20_000), () => {
      if (era === this.#era) this.#end(end);
    });
  }

  #end(end: End): void {
    if (this.#active.delete(end)) end();
  }

  #note({ router }: Director, what: string): void {
    this.#world.vrrp.trace.note(router.name, what);
  }

  #trouble(director: Director, kind: keyof DirectorTrouble, chance: number): End {
    this.#note(director, `fault: ${kind}`);
    director.trouble[kind] = chance;
    return () => {
      this.#note(director, `no more ${kind}`);
      director.trouble[kind] = 0;
      director.disturbed();
    };
  }

  #hand(director: Director): undefined {
    const [target] = this.#dice.pick(this.#world.services).targets;
    if (target !== undefined) director.hand(target);
  }

  /** Neither way to the cluster: both directors lose it now and then, most often one. */
  #cutOff(director: Director): End {
    const lost = this.#dice.chance(0.2) ? this.#world.directors : [director];
    for (const each of lost) {
      this.#note(each, "fault: cut off from the cluster");
      each.cutOff = true;
    }
    return () => {
      for (const each of lost) {
        this.#note(each, "reaches the cluster again");
        each.cutOff = false;
        each.disturbed();
      }
    };
  }

  /** A restart while nobody answers: its first verdicts, and so its election, come as late as they can. */
  #coldStart(director: Director): End | undefined {
    const { router } = director;
    if (router.process === undefined || !router.canRun) return undefined;
    const reconnect = this.#cutOff(director);
    router.stop();
    router.disturb(1);
    this.#world.vrrp.at(this.#world.vrrp.nowUs + this.#dice.span(50, 1_000), () => router.startAgain(0));
    return () => {
      reconnect();
      router.disturb(-1);
    };
  }

  /** Both read the new file, not at the same time. */
  #reload(): undefined {
    const { vrrp, directors } = this.#world;
    this.#world.services = this.#world.drawServices();
    for (const director of directors) {
      director.disturbed();
      vrrp.at(vrrp.nowUs + this.#dice.span(0, 3_000), () => {
        this.#note(director, "reload of the services");
        director.reload();
      });
    }
  }

  #speak(director: Director): End {
    this.#note(director, "an operator speaks");
    director.say();
    return () => director.takeBack();
  }
}
