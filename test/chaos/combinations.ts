import { roundsAsked, SOAK } from "../lab/rounds.ts";

/** What the two hosts of a round run, and how. */
export interface Combination {
  readonly survivor: "holdfast" | "keepalived";
  readonly unicast: boolean;
  readonly nopreempt: boolean;
  /** Two virtual routers in a sync group instead of one. */
  readonly group: boolean;
}

const both = [false, true] as const;
/** All sixteen. Neighbours in the list differ in the survivor, so that two rounds see both. */
const COMBINATIONS: readonly Combination[] = both.flatMap((unicast) =>
  both.flatMap((nopreempt) =>
    both.flatMap((group) =>
      (["holdfast", "keepalived"] as const).map((survivor) => ({ survivor, unicast, nopreempt, group })),
    ),
  ),
);

/** Otherwise two, each story with the next two combinations. */
const ROUNDS = SOAK ? 50 : 2;

/** The combinations of a story's rounds; `storyNumber` counts the stories. */
export function combinationsOf(storyNumber: number): Combination[] {
  const { first, count } = roundsAsked(ROUNDS);
  return Array.from({ length: count }, (_, index) => {
    const combination = COMBINATIONS[(storyNumber * ROUNDS + first + index) % COMBINATIONS.length];
    if (combination === undefined) throw new Error("a remainder is an index");
    return combination;
  });
}

export function combinationText({ survivor, unicast, nopreempt, group }: Combination): string {
  const words = [unicast ? "unicast" : "multicast", nopreempt ? "nopreempt" : "preempt", ...(group ? ["group"] : [])];
  return `${survivor} survives, ${words.join(", ")}`;
}

export type HostName = "a" | "b";

export const HOST_ADDRESSES: Readonly<Record<HostName, string>> = { a: "10.0.2.1", b: "10.0.2.2" };

export function vipsOf({ group }: Combination): string[] {
  return group ? ["10.0.2.10", "10.0.2.11"] : ["10.0.2.10"];
}

/** The keepalived.conf of a host; `lines` are added to each instance. */
export function configurationOf(
  host: HostName,
  priority: number,
  combination: Combination,
  lines: readonly string[] = [],
): string {
  const peer = HOST_ADDRESSES[host === "a" ? "b" : "a"];
  const further = [
    ...(combination.nopreempt ? ["nopreempt"] : []),
    ...(combination.unicast ? [`unicast_peer {\n    ${peer}\n  }`] : []),
    ...lines,
  ];
  const instances = vipsOf(combination).map((vip, index) => ({ vip, name: `V${index + 1}`, router: index + 1 }));
  const group = `vrrp_sync_group G {\n  group {\n${instances.map(({ name }) => `    ${name}\n`).join("")}  }\n}\n`;
  const texts = instances.map(
    ({ vip, name, router }) => `vrrp_instance ${name} {
  state BACKUP
  interface eth0
  virtual_router_id ${router}
  priority ${priority}
  advert_int 1
${further.map((line) => `  ${line}\n`).join("")}  virtual_ipaddress {
    ${vip}/24
  }
}
`,
  );
  return (combination.group ? group : "") + texts.join("");
}
