import fc from "fast-check";
import { type Ip, ip } from "../../src/core/ip.ts";
import { type DurationUs, durationUs, milliseconds, seconds } from "../../src/core/units.ts";
import type { HeardAdvert, Input, LinkFacts, RouterParameters, TrackFault, Tracking } from "../../src/vrrp/types.ts";

/** Values of the state machine's vocabulary, plain and random, for every test that drives it. */

export const OWN = ip("10.0.2.5");

export const PARAMETERS: RouterParameters = {
  name: "p",
  version: 2,
  virtualRouterId: 1,
  priority: 100,
  advertInterval: seconds(1),
  downTimerAdverts: 3,
  preempt: true,
  preemptDelay: seconds(0),
  addresses: [ip("10.0.2.10")],
  garp: {
    masterDelay: seconds(5),
    masterRepeat: 5,
    masterRefresh: seconds(0),
    masterRefreshRepeat: 1,
    lowerPrioDelay: seconds(5),
    lowerPrioRepeat: 5,
    extraInterval: seconds(0),
  },
  higherPrioSendAdvert: false,
  lowerPrioNoAdvert: false,
  skipCheckAdvAddr: false,
  trackPrimary: true,
  inSyncGroup: false,
};

export const LINK_UP: LinkFacts = {
  present: true,
  up: true,
  primaryAddress: OWN,
  sourceAddressMissing: false,
  noUnicastPeer: false,
};

export function heard(over: Partial<HeardAdvert> = {}): HeardAdvert {
  return {
    source: ip("10.0.2.9"),
    version: 2,
    priority: 200,
    advertInterval: seconds(1),
    addresses: PARAMETERS.addresses,
    ...over,
  };
}

const address: fc.Arbitrary<Ip> = fc.constantFrom(OWN, ip("10.0.2.1"), ip("10.0.2.9"), ip("10.0.2.200"));
const interval: fc.Arbitrary<DurationUs> = fc.constantFrom(milliseconds(10), seconds(1), seconds(2), seconds(10));
const version: fc.Arbitrary<2 | 3> = fc.constantFrom(2, 3);
const vips = fc.constantFrom([ip("10.0.2.10")], [ip("10.0.2.10"), ip("10.0.2.11")], []);
const anyPriority = fc.oneof(fc.constantFrom(0, 1, 99, 100, 101, 254, 255), fc.integer({ min: 0, max: 255 }));
const ownPriority = fc.oneof(fc.constantFrom(1, 100, 254, 255), fc.integer({ min: 1, max: 255 }));

export const randomLink: fc.Arbitrary<LinkFacts> = fc.record({
  present: fc.boolean(),
  up: fc.boolean(),
  primaryAddress: fc.constantFrom(OWN, ip("10.0.2.9"), undefined),
  sourceAddressMissing: fc.constantFrom(false, false, true),
  noUnicastPeer: fc.constantFrom(false, false, true),
});

export const randomParameters: fc.Arbitrary<RouterParameters> = fc.record({
  name: fc.constant("p"),
  version,
  virtualRouterId: fc.constant(1),
  priority: ownPriority,
  advertInterval: interval,
  downTimerAdverts: fc.constantFrom(1, 2, 3, 3, 10),
  preempt: fc.boolean(),
  preemptDelay: fc.constantFrom(seconds(0), seconds(0), seconds(2), seconds(300)),
  addresses: vips,
  garp: fc.record({
    masterDelay: fc.constantFrom(seconds(0), seconds(5)),
    masterRepeat: fc.integer({ min: 0, max: 5 }),
    masterRefresh: fc.constantFrom(seconds(0), seconds(7)),
    masterRefreshRepeat: fc.integer({ min: 1, max: 3 }),
    lowerPrioDelay: fc.constantFrom(seconds(0), seconds(5)),
    lowerPrioRepeat: fc.integer({ min: 0, max: 5 }),
    extraInterval: fc.constantFrom(seconds(0), seconds(11)),
  }),
  higherPrioSendAdvert: fc.boolean(),
  lowerPrioNoAdvert: fc.boolean(),
  skipCheckAdvAddr: fc.boolean(),
  trackPrimary: fc.boolean(),
  inSyncGroup: fc.boolean(),
});

const fault: fc.Arbitrary<TrackFault> = fc.record({
  kind: fc.constantFrom("interface", "script", "file", "process", "staticAddress"),
  name: fc.constantFrom("one", "two"),
});

/** Of a router with these parameters: the owner's priority never changes. */
export function randomTracking(parameters: RouterParameters): fc.Arbitrary<Tracking> {
  return fc.record({
    priority: parameters.priority === 255 ? fc.constant(255) : fc.integer({ min: 1, max: 254 }),
    faults: fc.oneof(
      { weight: 3, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(fault, { maxLength: 2 }) },
    ),
  });
}

export const randomAdvert: fc.Arbitrary<HeardAdvert> = fc.record({
  source: address,
  version,
  priority: anyPriority,
  advertInterval: fc.oneof(interval, fc.constant(durationUs(0))),
  addresses: vips,
});

/** Any input at all. `tracking` is made for the parameters in force when it is used. */
export type RandomInput = Input | { readonly kind: "anyTracking"; readonly tracking: Tracking };

export const randomInput: fc.Arbitrary<RandomInput> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<Input>({ kind: "start" }) },
  { weight: 8, arbitrary: randomAdvert.map((advert): Input => ({ kind: "advert", advert })) },
  { weight: 8, arbitrary: fc.constant<Input>({ kind: "deadline" }) },
  { weight: 2, arbitrary: randomLink.map((link): Input => ({ kind: "link", link })) },
  {
    weight: 3,
    arbitrary: fc.constantFrom<Input>(
      { kind: "link", link: LINK_UP },
      { kind: "link", link: LINK_UP },
      { kind: "addressesMissing", cause: "removedByOthers" },
      { kind: "addressesMissing", cause: "notRefreshed" },
      { kind: "addressesDone", outcome: { ok: true } },
      { kind: "addressesDone", outcome: { ok: false, detail: "ENOBUFS" } },
      { kind: "advertNotSent", detail: "EPERM" },
    ),
  },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Input>(
      { kind: "group", say: "becomeMaster" },
      { kind: "group", say: "becomeMaster" },
      { kind: "group", say: "becomeBackup", because: "q: pausedTooLong" },
      { kind: "group", say: "fault", because: "q: interfaceDown" },
      { kind: "group", say: "recovered" },
    ),
  },
  {
    weight: 2,
    arbitrary: randomTracking(PARAMETERS).map((tracking): RandomInput => ({ kind: "anyTracking", tracking })),
  },
  {
    weight: 1,
    arbitrary: randomParameters.chain((parameters) =>
      randomTracking(parameters).map(
        (tracking): Input => ({
          kind: "configure",
          parameters,
          tracking,
          link: LINK_UP,
        }),
      ),
    ),
  },
  { weight: 1, arbitrary: fc.constant<Input>({ kind: "stop" }) },
);

/** The owner's priority is 255 whatever is tracked. */
export function inputFor(parameters: RouterParameters, random: RandomInput): Input {
  if (random.kind !== "anyTracking") return random;
  const { priority, faults } = random.tracking;
  return { kind: "tracking", tracking: { priority: parameters.priority === 255 ? 255 : priority, faults } };
}

/** Time passes by a given span, or exactly to the next deadline, or a little beyond it. */
export const randomElapse = fc.oneof(
  fc.record({ kind: fc.constant("span" as const), us: fc.integer({ min: 0, max: 20_000_000 }) }),
  fc.record({ kind: fc.constant("deadline" as const), us: fc.constantFrom(0, 0, 1, 900, 400_000) }),
);
export type Elapse = { readonly kind: "span" | "deadline"; readonly us: number };
