import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Ip, ip } from "../../src/core/ip.ts";
import { durationUs, instantUs, US_PER_SECOND } from "../../src/core/units.ts";
import { initialState, nextDeadline, step } from "../../src/vrrp/step.ts";
import type { Effect, HeardAdvert, Input, RouterState, StepResult } from "../../src/vrrp/types.ts";
import { encodeIpv4 } from "../../src/wire/ipv4.ts";
import {
  decodeAdvertMessage,
  decodeAdvertPacket,
  encodeAdvert,
  VRRP_MULTICAST_IPV4,
  VRRP_MULTICAST_IPV6,
  type VrrpAdvert,
} from "../../src/wire/vrrp.ts";
import { goldenCases } from "../golden/cases.ts";
import { SOAK } from "../lab/rounds.ts";
import { inputFor, LINK_UP, type RandomInput, randomElapse, randomInput, randomParameters } from "./vrrpSamples.ts";

/**
 * Packets, whole, mutated and invented, through the real decoder into the machine, between every other input in any
 * order. More than 100 000 packets here, 10 000 000 with HOLDFAST_SOAK=1.
 */
const STEPS_PER_LIFE = 100;
const LIVES = SOAK ? 170_000 : 1_700;

const V4_SOURCES = [ip("10.0.2.5"), ip("10.0.2.1"), ip("10.0.2.200")];
const HEADER_V4 = { typeOfService: 0xc0, identification: 1, fragment: 0, timeToLive: 255, protocol: 112 };
const HEADER_V6 = { source: ip("fe80::9"), destination: VRRP_MULTICAST_IPV6, hopLimit: 255 };

type Packet = { readonly family: 4 | 6; readonly bytes: Uint8Array };

const byte = fc.integer({ min: 0, max: 255 });
const captured: readonly Packet[] = [
  ...goldenCases("vrrp").map(({ bytes }): Packet => ({ family: 4, bytes })),
  ...goldenCases("vrrp6").map(({ bytes }): Packet => ({ family: 6, bytes: bytes.subarray(40) })),
];

/** Right in every byte, with any field. */
const made: fc.Arbitrary<Packet> = fc
  .record({
    version: fc.constantFrom(2 as const, 3 as const),
    family: fc.constantFrom(4 as const, 6 as const),
    source: fc.constantFrom(...V4_SOURCES),
    priority: fc.oneof(fc.constantFrom(0, 1, 100, 254, 255), byte),
    interval: fc.oneof(fc.constantFrom(0, 1, 100, 4095), fc.integer({ min: 0, max: 4095 })),
    count: fc.integer({ min: 0, max: 3 }),
  })
  .map(({ version, family, source, priority, interval, count }): Packet => {
    const six = family === 6;
    const v3 = six || version === 3;
    const all: Ip[] = six
      ? [ip("fe80::10"), ip("2001:db8::10"), ip("2001:db8::11")]
      : [ip("10.0.2.10"), ip("10.0.2.11")];
    const advert: VrrpAdvert = {
      version: v3 ? 3 : 2,
      virtualRouterId: 1,
      priority,
      advertIntervalCs: v3 ? interval : 100 * (interval % 256),
      addresses: all.slice(0, v3 ? Math.max(1, count) : count),
    };
    if (six) return { family, bytes: encodeAdvert(advert, HEADER_V6) };
    const header = { ...HEADER_V4, source, destination: VRRP_MULTICAST_IPV4 };
    return { family, bytes: encodeIpv4(header, encodeAdvert(advert, header)) };
  });

const mutated: fc.Arbitrary<Packet> = fc
  .tuple(
    fc.oneof(made, fc.constantFrom(...captured)),
    fc.array(fc.tuple(fc.nat(70), byte), { minLength: 1, maxLength: 4 }),
    fc.oneof({ weight: 3, arbitrary: fc.constant(1000) }, { weight: 1, arbitrary: fc.nat(70) }),
  )
  .map(([{ family, bytes }, changes, length]) => {
    const copy = Uint8Array.from(bytes.subarray(0, length));
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return { family, bytes: copy };
  });

const invented: fc.Arbitrary<Packet> = fc.record({
  family: fc.constantFrom(4 as const, 6 as const),
  bytes: fc.uint8Array({ maxLength: 64 }),
});

const packet = fc.oneof(
  { weight: 6, arbitrary: made },
  { weight: 3, arbitrary: mutated },
  { weight: 1, arbitrary: invented },
);
type Event = { readonly packet: Packet } | { readonly input: RandomInput };
const event: fc.Arbitrary<Event> = fc.oneof(
  { weight: 6, arbitrary: packet.map((one): Event => ({ packet: one })) },
  { weight: 4, arbitrary: randomInput.map((input): Event => ({ input })) },
);

function heardOf({ family, bytes }: Packet): HeardAdvert | undefined {
  if (family === 4) {
    const decoded = decodeAdvertPacket(bytes);
    return decoded.ok ? toHeard(decoded.value.advert, decoded.value.header.source) : undefined;
  }
  const decoded = decodeAdvertMessage(bytes, HEADER_V6);
  return decoded.ok ? toHeard(decoded.value, HEADER_V6.source) : undefined;
}

function toHeard({ version, priority, advertIntervalCs, addresses }: VrrpAdvert, source: Ip): HeardAdvert {
  const advertInterval = durationUs((advertIntervalCs * US_PER_SECOND) / 100);
  return { source, version, priority, advertInterval, addresses };
}

/** What holds after every step, in words of what is wrong. */
function wrong(before: RouterState, { state, effects }: StepResult, input: Input, nowUs: number): string | undefined {
  const { role } = state;
  const deadline = nextDeadline(state);
  if (role.name === "MASTER" || role.name === "BACKUP") {
    if (deadline === undefined || !Number.isFinite(deadline)) return `${role.name} waits for nothing`;
    if (input.kind === "deadline" && deadline <= nowUs) return "a deadline that was handled is due again";
  }
  let name = before.role.name;
  for (const effect of effects) {
    if (effect.kind !== "transition") continue;
    if (effect.transition.from !== name) return `a transition from ${effect.transition.from}, not from ${name}`;
    name = effect.transition.to;
  }
  if (name !== role.name) return `${before.role.name} -> ${role.name} without a reason`;
  return wrongOrder(before, state, effects);
}

function wrongOrder(before: RouterState, state: RouterState, effects: readonly Effect[]): string | undefined {
  const kinds = effects.map((effect) => (effect.kind === "addresses" ? effect.action : effect.kind));
  const left = before.role.name === "MASTER" && state.role.name !== "MASTER";
  if (kinds.includes("remove") !== left) return "addresses are removed when, and only when, MASTER ends";
  for (const [index, effect] of effects.entries()) {
    const previous = kinds[index - 1];
    if ((kinds[index] === "add" || kinds[index] === "refresh") && previous !== "sendAdvert") return "no advert before";
    if (effect.kind === "sendAdvert" && effect.priority === 0 && previous !== "remove")
      return "resigned before removing";
    if (
      effect.kind === "sendAdvert" &&
      effect.priority > 254 &&
      state.parameters.priority !== 255 &&
      before.parameters.priority !== 255
    ) {
      return "nobody but the owner advertises 255";
    }
    if (effect.kind === "announce" && state.role.name !== "MASTER") return "announced without being MASTER";
  }
  return undefined;
}

describe("decoder and machine", () => {
  it(`survive ${LIVES * STEPS_PER_LIFE} packets and other inputs`, { timeout: 3_600_000 }, () => {
    let packets = 0;
    let decoded = 0;
    let transitions = 0;
    const life = fc.array(fc.tuple(randomElapse, event), {
      minLength: STEPS_PER_LIFE,
      maxLength: STEPS_PER_LIFE,
      size: "max",
    });
    fc.assert(
      fc.property(randomParameters, life, (parameters, events) => {
        let state = step(initialState(parameters, LINK_UP), { kind: "start" }, instantUs(0)).state;
        let nowUs = 0;
        for (const [passed, one] of events) {
          const deadline = nextDeadline(state);
          const from = passed.kind === "deadline" && deadline !== undefined ? Math.max(nowUs, deadline) : nowUs;
          nowUs = from + passed.us;
          let input: Input;
          if ("packet" in one) {
            packets++;
            const advert = heardOf(one.packet);
            if (advert === undefined) continue;
            decoded++;
            input = { kind: "advert", advert };
          } else {
            input = inputFor(state.parameters, one.input);
          }
          const result = step(state, input, instantUs(nowUs));
          const problem = wrong(state, result, input, nowUs);
          if (problem !== undefined) throw new Error(`${problem}: ${JSON.stringify({ state, input, nowUs })}`);
          transitions += result.effects.filter((effect) => effect.kind === "transition").length;
          state = result.state;
        }
      }),
      { numRuns: LIVES },
    );
    // A fuzzer that never gets through the decoder, or never moves the machine, proves nothing.
    expect(decoded).toBeGreaterThan(packets / 2);
    expect(decoded).toBeLessThan(packets);
    expect(transitions).toBeGreaterThan(LIVES);
    process.stdout.write(
      `fuzzed ${LIVES * STEPS_PER_LIFE} inputs: ${packets} packets, ${decoded} decoded, ${transitions} transitions\n`,
    );
  });
});
