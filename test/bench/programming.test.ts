import { test } from "vitest";
import { requires } from "../lab/requires.ts";
import { type Figure, median, printFigures, rounds } from "./report.ts";
import { type Size, STEPS, type Step } from "./tables.ts";
import {
  daemonTimes,
  ipvsadmTimes,
  KernelLimit,
  reconcileTimes,
  startHoldfast,
  startKeepalived,
  type Times,
} from "./tableWriters.ts";

const ROUNDS = rounds(3, 9);
const SIZES: readonly (Size & { readonly whole: boolean })[] = [
  { services: 500, servers: 10, whole: true },
  { services: 5_000, servers: 2, whole: rounds(0, 1) === 1 },
  ...(rounds(0, 1) === 1 ? [{ services: 10_000, servers: 1, whole: false }] : []),
];
/** Of the kernel's own limit in the same run. */
const MULTIPLE_GOAL = 2;
const NAMES: Readonly<Record<Step, string>> = {
  add: "start",
  changeAll: "reload, all weights",
  changeOne: "reload, one weight",
  remove: "stop",
};

requires(
  "ipvs",
  "keepalived",
  "ipvsadm",
)("programming the kernel", () => {
  test.each(SIZES)(
    "$services services x $servers servers",
    async ({ whole, ...size }) => {
      const limit = new KernelLimit();
      const kernel: Times[] = [];
      const ours: Times[] = [];
      try {
        for (let round = 0; round < ROUNDS; round++) {
          kernel.push(limit.times(size));
          ours.push(reconcileTimes(size, round === 0));
        }
      } finally {
        limit.close();
      }
      const ipvsadm = await ipvsadmTimes(size);
      const daemon = whole ? await daemonTimes(size, startHoldfast) : undefined;
      const keepalived = whole ? await daemonTimes(size, startKeepalived) : undefined;
      const of = (step: Step, times: readonly Times[]): number => median(times.map((each) => each[step]));
      printFigures(
        `programming ${size.services} x ${size.servers}, medians of ${ROUNDS} rounds; ipvsadm -R and -C, and whole daemons from signal to table, once`,
        STEPS.flatMap((step): Figure[] => {
          const name = NAMES[step];
          const others: readonly (readonly [string, Times | undefined])[] = [
            ["ipvsadm", ipvsadm],
            ["holdfast, the whole daemon", daemon],
            ["keepalived, the whole daemon", keepalived],
          ];
          return [
            { what: `${name}: kernel's own limit`, value: of(step, kernel), unit: "ms" },
            { what: `${name}: holdfast`, value: of(step, ours), unit: "ms" },
            {
              what: `${name}: holdfast / kernel`,
              value: of(step, ours) / of(step, kernel),
              unit: "times",
              goalAtMost: MULTIPLE_GOAL,
            },
            ...others.flatMap(([who, times]) =>
              times === undefined ? [] : [{ what: `${name}: ${who}`, value: times[step], unit: "ms" }],
            ),
          ];
        }),
      );
    },
    1_200_000,
  );
});
