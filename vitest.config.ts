import { defineConfig } from "vitest/config";

/**
 * One vitest project for each kind of test (see docs/testing.md). Kinds that touch the kernel run one file at a time:
 * they share the machine's namespaces and its two cores.
 */
const pure = ["unit", "golden", "scenario", "sim"].map((kind) => ({
  test: { name: kind, include: [`test/${kind}/**/*.test.ts`], testTimeout: 60_000 },
}));
const kernel = ["netns", "chaos", "guest", "e2e", "bench", "bench-netns"].map((kind) => ({
  test: {
    name: kind,
    include: [`test/${kind}/**/*.test.ts`],
    pool: "forks" as const,
    fileParallelism: false,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
}));

export default defineConfig({ test: { projects: [...pure, ...kernel] } });
