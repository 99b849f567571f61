/** The kinds of test, in the order in which they run: the quickest answers first. */

export interface Kind {
  readonly name: string;
  /** Needs IPVS: runs in the guest where this kernel has none. */
  readonly ipvs: boolean;
  /** Ended after this time, and counted as failed. */
  readonly timeoutMinutes: number;
}

export const KINDS: readonly Kind[] = [
  { name: "unit", ipvs: false, timeoutMinutes: 10 },
  { name: "golden", ipvs: false, timeoutMinutes: 10 },
  { name: "scenario", ipvs: false, timeoutMinutes: 10 },
  { name: "sim", ipvs: false, timeoutMinutes: 15 },
  { name: "netns", ipvs: false, timeoutMinutes: 20 },
  { name: "interop", ipvs: false, timeoutMinutes: 20 },
  { name: "chaos", ipvs: false, timeoutMinutes: 20 },
  { name: "guest", ipvs: true, timeoutMinutes: 35 },
  { name: "e2e", ipvs: true, timeoutMinutes: 40 },
  { name: "bench", ipvs: true, timeoutMinutes: 30 },
  // Figures of the protocol's timing: emulation would add its own.
  { name: "bench-netns", ipvs: false, timeoutMinutes: 15 },
];

export interface Request {
  readonly kinds: readonly Kind[];
  /** Only test files whose path contains one of these; empty: all. */
  readonly filters: readonly string[];
  readonly soak: boolean;
}

/**
 * Reads the arguments of `npm test -- [KIND...] [PART OF A FILE NAME...] [--soak]`. Without a kind: all. A word that is
 * no kind is part of a file's name. Throws on an unknown option.
 */
export function readRequest(words: readonly string[]): Request {
  const option = words.find((word) => word.startsWith("-") && word !== "--soak");
  if (option !== undefined)
    throw new Error(`unknown option ${option}; kinds are: ${KINDS.map((kind) => kind.name).join(" ")}`);
  const plain = words.filter((word) => word !== "--soak");
  const named = KINDS.filter((kind) => plain.includes(kind.name));
  return {
    kinds: named.length === 0 ? KINDS : named,
    filters: plain.filter((word) => KINDS.every((kind) => kind.name !== word)),
    soak: words.includes("--soak"),
  };
}

/** What tests are told of the request. The benchmarks alone are asked for their figures; among all kinds they show that they work. */
export function kindEnvironment(request: Request): NodeJS.ProcessEnv {
  const bench = request.kinds.length === KINDS.length ? "quick" : "full";
  return { HOLDFAST_BENCH: bench, ...(request.soak ? { HOLDFAST_SOAK: "1" } : {}) };
}
