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

const FULL = rounds(0, 1) === 1;
const ROUNDS = rounds(3, 9);
const SIZE: Size = { services: 500, servers: 10 };
const SIZES: readonly Size[] = FULL
  ? [SIZE, { services: 5_000, servers: 2 }, { services: 10_000, servers: 1 }]
  : [SIZE];
/** Starting on and reading a file of 5,000 servers takes an emulated processor most of a minute. */
const DAEMON_SIZES: readonly Size[] = FULL ? [SIZE, { services: 5_000, servers: 2 }] : [{ services: 50, servers: 10 }];
/** Of the kernel's own limit in the same run. */
const MULTIPLE_GOAL = 2;
const TABLE_NAMES: Readonly<Record<Step, string>> = {
  add: "all services",
  changeAll: "all weights",
  changeOne: "one weight",
  remove: "removal",
};
const DAEMON_NAMES: Readonly<Record<Step, string>> = {
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
    async (size) => {
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
      const of = (step: Step, times: readonly Times[]): number => median(times.map((each) => each[step]));
      printFigures(
        `programming ${size.services} x ${size.servers}, medians of ${ROUNDS} rounds; ipvsadm -R and -C once`,
        STEPS.flatMap((step): Figure[] => [
          { what: `${TABLE_NAMES[step]}: kernel's own limit`, value: of(step, kernel), unit: "ms" },
          { what: `${TABLE_NAMES[step]}: holdfast`, value: of(step, ours), unit: "ms" },
          {
            what: `${TABLE_NAMES[step]}: holdfast / kernel`,
            value: of(step, ours) / of(step, kernel),
            unit: "times",
            goalAtMost: MULTIPLE_GOAL,
          },
          { what: `${TABLE_NAMES[step]}: ipvsadm`, value: ipvsadm[step], unit: "ms" },
        ]),
      );
    },
    1_200_000,
  );

  test.each(DAEMON_SIZES)(
    "whole daemons, $services services x $servers servers",
    async (size) => {
      const ours = await daemonTimes(size, startHoldfast);
      const theirs = await daemonTimes(size, startKeepalived);
      printFigures(
        `whole daemons with ${size.services} x ${size.servers}, from start or signal to table, once`,
        STEPS.flatMap((step): Figure[] => [
          { what: `${DAEMON_NAMES[step]}: holdfast`, value: ours[step], unit: "ms" },
          { what: `${DAEMON_NAMES[step]}: keepalived`, value: theirs[step], unit: "ms" },
        ]),
      );
    },
    1_200_000,
  );
});
