import { defineConfig } from "vitest/config";

/**
 * One vitest project for each kind of test (see docs/testing.md). Kinds that touch the kernel run one file at a time:
 * they share the machine's namespaces and its two cores. Only what waits nearly always, for routers to miss each other,
 * runs several: each file has a network of its own.
 */
const pure = ["unit", "golden", "scenario", "sim"].map((kind) => ({
  test: { name: kind, include: [`test/${kind}/**/*.test.ts`], testTimeout: 60_000 },
}));
const FILES_AT_A_TIME: Readonly<Record<string, number>> = {
  interop: 4,
  chaos: 2,
  // The protocol's benches too, where they only show that they work: their figures are not looked at then.
  ...(process.env.HOLDFAST_BENCH === "quick" ? { "bench-netns": 4 } : {}),
};
const kernel = ["netns", "interop", "chaos", "guest", "e2e", "bench", "bench-netns"].map((kind) => ({
  test: {
    name: kind,
    include: [`test/${kind}/**/*.test.ts`],
    pool: "forks" as const,
    fileParallelism: kind in FILES_AT_A_TIME,
    maxWorkers: FILES_AT_A_TIME[kind] ?? 1,
    // A real switchover in the emulated guest takes minutes.
    testTimeout: kind === "e2e" ? 900_000 : 300_000,
    hookTimeout: 300_000,
  },
}));

export default defineConfig({ test: { projects: [...pure, ...kernel] } });
