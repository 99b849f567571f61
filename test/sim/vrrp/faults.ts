import type { Dice } from "../dice.ts";
import { FAULT_KINDS, type FaultKind } from "./options.ts";
import { pending } from "./pending.ts";
import { changedPlan, configOf, interfaceName, ownAddresses } from "./plan.ts";
import type { StoredLink } from "./simKernel.ts";
import type { KernelTrouble } from "./simProcess.ts";
import type { SimRouter } from "./simRouter.ts";
import type { World } from "./world.ts";

/** A fault at work: what ends it, or nothing when it was over at once. */
type End = () => void;

/** So many faults are at work at one time; more of them only hide one another. */
const ACTIVE_MAX = 6;

/** Disturbs a world, one fault after the other, until it is told to heal everything. */
export class Faults {
  begun = 0;
  readonly #world: World;
  readonly #dice: Dice;
  readonly #active = new Set<End>();
  readonly #byKind: Readonly<Record<FaultKind, () => End | undefined>>;
  #era = 0;

  constructor(world: World) {
    this.#world = world;
    this.#dice = world.dice;
    this.#byKind = { ...this.#lanFaults(), ...this.#processFaults(), ...this.#hostFaults() };
  }

  /** From now on faults come. */
  begin(): void {
    for (let segment = 0; segment < this.#world.options.segments; segment++) this.#world.lan(segment).atRest = false;
    this.#next(this.#era);
  }

  /** Everything is as it should be again; nothing more comes. */
  heal(): void {
    this.#era++;
    for (const end of [...this.#active]) this.#end(end);
    const { options, plan, routers } = this.#world;
    for (let segment = 0; segment < options.segments; segment++) this.#world.lan(segment).atRest = true;
    for (const router of routers) {
      router.configure(configOf(plan, router.number));
      if (router.process === undefined) router.start(0);
    }
  }

  /** What has not converged after `heal`. */
  pending(): string[] {
    return pending(this.#world);
  }

  #next(era: number): void {
    const { faultEvery } = this.#world.options;
    if (faultEvery === undefined) return;
    const wait = -Math.log(1 - this.#dice.next()) * faultEvery;
    this.#world.at(this.#world.nowUs + wait, () => {
      if (era !== this.#era) return;
      this.#strike();
      this.#next(era);
    });
  }

  #strike(): void {
    if (this.#active.size >= ACTIVE_MAX) return;
    const kind = this.#drawKind();
    if (kind === undefined) return;
    const end = this.#byKind[kind]();
    if (end === undefined) return;
    this.begun++;
    this.#active.add(end);
    const lasts = this.#dice.chance(0.7) ? this.#dice.span(50, 8_000) : this.#dice.span(5_000, 90_000);
    const era = this.#era;
    this.#world.at(this.#world.nowUs + lasts, () => {
      if (era === this.#era) this.#end(end);
    });
  }

  #end(end: End): void {
    if (this.#active.delete(end)) end();
  }

  #drawKind(): FaultKind | undefined {
    const { faultWeights } = this.#world.options;
    let left = this.#dice.next() * FAULT_KINDS.reduce((sum, kind) => sum + faultWeights[kind], 0);
    for (const kind of FAULT_KINDS) {
      left -= faultWeights[kind];
      if (left < 0) return kind;
    }
    return undefined;
  }

  #router(): SimRouter {
    return this.#dice.pick(this.#world.routers);
  }

  #segment(): number {
    return this.#dice.integer(0, this.#world.options.segments - 1);
  }

  #note(who: string, what: string, details?: unknown): void {
    this.#world.trace.note(who, `fault: ${what}`, details);
  }

  #lanFaults() {
    const dice = this.#dice;
    const cut = (pairs: readonly (readonly [number, number])[], what: string): End => {
      const segment = this.#segment();
      const lan = this.#world.lan(segment);
      this.#note(`LAN ${segment}`, what, pairs);
      for (const [from, to] of pairs) lan.cut(from, to);
      return () => {
        this.#note(`LAN ${segment}`, `no more ${what}`, pairs);
        for (const [from, to] of pairs) lan.mend(from, to);
      };
    };
    const both = (a: number, b: number): (readonly [number, number])[] => [
      [a, b],
      [b, a],
    ];
    const numbers = this.#world.options.routers;
    const pairsBetween = (inside: (router: number) => boolean): (readonly [number, number])[] => {
      const all = Array.from({ length: numbers }, (_, at) => at);
      return all.filter(inside).flatMap((a) => all.filter((b) => !inside(b)).flatMap((b) => both(a, b)));
    };
    const two = (): [number, number] => {
      const a = dice.integer(0, numbers - 1);
      return [a, (a + dice.integer(1, numbers - 1)) % numbers];
    };
    const more = (what: "lossMore" | "delayMore", amount: number): End => {
      const segment = this.#segment();
      const lan = this.#world.lan(segment);
      this.#note(`LAN ${segment}`, what, amount);
      lan[what] += amount;
      return () => {
        lan[what] -= amount;
      };
    };
    return {
      loss: () => more("lossMore", dice.next() * 0.6),
      delay: () => more("delayMore", dice.span(1, 400)),
      cutOneWay: () => cut([two()], "cut"),
      cutTwoWays: () => cut(both(...two()), "cut"),
      isolation: () => {
        const alone = dice.integer(0, numbers - 1);
        return cut(
          pairsBetween((router) => router === alone),
          "isolation",
        );
      },
      partition: () => {
        const sides = dice.integer(1, 2 ** numbers - 2);
        return cut(
          pairsBetween((router) => ((sides >> router) & 1) === 1),
          "partition",
        );
      },
    };
  }

  /** A fault of one router for as long as it lasts; what the router does then is judged by less. */
  #disturb(router: SimRouter, what: string, end: End, details?: unknown): End {
    this.#note(router.name, what, details);
    router.disturb(1);
    return () => {
      this.#note(router.name, `no more ${what}`);
      end();
      router.disturb(-1);
    };
  }

  #processFaults() {
    const dice = this.#dice;
    const whenRunning = (fault: (router: SimRouter) => End): End | undefined => {
      const router = this.#router();
      return router.process === undefined || router.stopped || router.frozenSinceUs !== undefined
        ? undefined
        : fault(router);
    };
    const freeze = (hidden: boolean) => (router: SimRouter) => {
      router.freeze();
      return this.#disturb(router, hidden ? "the hypervisor pauses it" : "suspend", () => router.thaw(hidden));
    };
    const startAgain =
      (router: SimRouter, resign: readonly string[] = []) =>
      () =>
        router.startAgain(dice.span(0, 2_000), resign);
    return {
      sigstop: () =>
        whenRunning((router) => {
          router.stopped = true;
          return this.#disturb(router, "SIGSTOP", () => {
            router.stopped = false;
            router.wake();
          });
        }),
      stolenCpu: () => whenRunning((router) => this.#stealCpu(router)),
      suspend: () => whenRunning(freeze(false)),
      hypervisorPause: () => whenRunning(freeze(true)),
      crash: () =>
        whenRunning((router) => {
          router.crash();
          return this.#disturb(router, "killed", startAgain(router));
        }),
      workerDeath: () =>
        whenRunning((router) => {
          const masters = [...router.seats.values()].filter(({ state }) => state === "MASTER").map(({ name }) => name);
          router.loseThread();
          return this.#disturb(router, "its worker died", startAgain(router, masters));
        }),
      restart: () =>
        whenRunning((router) => {
          router.stop();
          return this.#disturb(router, "restart", startAgain(router));
        }),
      reload: () => this.#reload(),
      trackersFlap: () => this.#flap(),
    };
  }

  #stealCpu(router: SimRouter): End {
    const dice = this.#dice;
    router.stallChance = dice.chance(0.5) ? dice.next() * 0.05 : 0;
    router.stallMaxUs = dice.span(1, dice.pick([100, 2_000, 10_000]));
    const longest = router.stallMaxUs;
    let over = false;
    const stall = (): void => {
      if (over) return;
      router.stall(dice.next() * longest);
      this.#world.at(this.#world.nowUs + dice.next() * 2 * longest + 1000, stall);
    };
    stall();
    return this.#disturb(router, "stolen processor", () => {
      over = true;
      router.stallChance = 0;
      router.stallMaxUs = 0;
    });
  }

  /** The routers get another configuration one after the other, and later the world's own again. */
  #reload(): End {
    const changed = changedPlan(this.#world.plan, this.#world.options, this.#dice);
    const routers = this.#world.routers.filter(() => this.#dice.chance(0.6));
    let over = false;
    for (const router of routers) {
      this.#world.at(this.#world.nowUs + this.#dice.span(0, 3_000), () => {
        if (over) return;
        this.#note(router.name, "reload");
        router.configure(configOf(changed, router.number));
      });
    }
    return () => {
      // Also for those whose turn had not come.
      over = true;
      for (const router of routers) {
        this.#note(router.name, "reload of the first configuration");
        router.configure(configOf(this.#world.plan, router.number));
      }
    };
  }

  #flap(): End | undefined {
    const { trackers } = this.#world.plan;
    if (trackers.length === 0) return undefined;
    const router = this.#router();
    const dice = this.#dice;
    let over = false;
    const flap = (): void => {
      if (over) return;
      router.track(
        trackers.map(({ name, kind }) => ({
          name,
          kind,
          value: kind === "file" ? dice.integer(-2, 2) : dice.integer(0, 1),
        })),
      );
      this.#world.at(this.#world.nowUs + dice.span(50, 5_000), flap);
    };
    flap();
    return this.#disturb(router, "trackers flap", () => {
      over = true;
      router.track(calmResults(this.#world));
    });
  }

  #hostFaults() {
    const dice = this.#dice;
    const withLink = (fault: (router: SimRouter, link: StoredLink) => End): End | undefined => {
      const router = this.#router();
      const link = router.kernel.named(interfaceName(this.#segment()));
      return link === undefined || !link.up ? undefined : fault(router, link);
    };
    const trouble = (kind: keyof KernelTrouble) => (): End => {
      const router = this.#router();
      const chance = dice.chance(0.3) ? 1 : dice.next() * 0.3;
      router.trouble[kind] = chance;
      return this.#disturb(
        router,
        `the kernel ${kind}`,
        () => {
          router.trouble[kind] = 0;
        },
        chance,
      );
    };
    return {
      linkDown: () =>
        withLink((router, link) => {
          router.kernel.setUp(link, false);
          router.notice();
          return this.#disturb(router, `${link.name} is down`, () => {
            router.kernel.setUp(link, true);
            router.notice();
          });
        }),
      linkRecreated: () =>
        withLink((router, link) => {
          router.kernel.removeLink(link);
          router.notice();
          return this.#disturb(router, `${link.name} is deleted`, () => {
            router.plug(link.segment, this.#world.plan);
            router.notice();
          });
        }),
      linkRenamed: () =>
        withLink((router, link) => {
          const { name } = link;
          router.kernel.rename(link, "other0");
          router.notice();
          return this.#disturb(router, `${name} has another name`, () => {
            router.kernel.rename(link, name);
            router.notice();
          });
        }),
      addressLost: () => withLink((router, link) => this.#loseAddress(router, link)),
      handsOnce: () => this.#hands(1),
      handsAgain: () => this.#hands(dice.integer(2, 40)),
      kernelRefuses: trouble("refuses"),
      answersLost: trouble("losesAnswers"),
      sendsRefused: trouble("refusesSends"),
      dumpsInterrupted: trouble("interruptsDumps"),
    };
  }

  /** The host's own address goes, and comes back behind the others. */
  #loseAddress(router: SimRouter, link: StoredLink): End {
    const own = ownAddresses(router.number, link.segment)[0];
    if (own === undefined) throw new Error("an interface has an address");
    router.kernel.delete(link.index, own.ip, own.prefixLength);
    router.notice();
    return this.#disturb(router, `${own.ip} is deleted`, () => {
      router.kernel.set(link.index, { ...own, label: undefined, scope: "global" }, undefined);
      router.notice();
    });
  }

  /** An administrator, or another program, takes virtual addresses away. */
  #hands(times: number): End {
    const router = this.#router();
    let left = times;
    const take = (): void => {
      if (left-- <= 0) return;
      for (const link of router.kernel.links) {
        for (const own of link.addresses.filter(({ validUntilUs }) => validUntilUs !== undefined)) {
          if (this.#dice.chance(0.5)) router.kernel.delete(link.index, own.ip, own.prefixLength);
        }
      }
      this.#world.at(this.#world.nowUs + this.#dice.span(1, 3_000), take);
    };
    const end = this.#disturb(router, `hands take addresses away, ${times} times`, () => {
      left = 0;
    });
    take();
    return end;
  }
}

/** Every tracker is up. */
export function calmResults({ plan }: World) {
  return plan.trackers.map(({ name, kind }) => ({ name, kind, value: kind === "file" ? 0 : 1 }));
}
