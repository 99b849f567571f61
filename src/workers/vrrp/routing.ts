import type { RouteConfig, RuleConfig, VrrpConfig, VrrpInstanceConfig } from "../../config/vrrp.types.ts";
import type { ChangeOutcome, RoutingObject, VrrpHost } from "./ports.ts";
import type { HostObjectStatus } from "./protocol.ts";

/** An add that finds it there, a removal that does not: what was wanted is so. */
const ALREADY: Readonly<Record<"add" | "delete", ReadonlySet<string>>> = {
  add: new Set(["EEXIST"]),
  delete: new Set(["ESRCH", "ENOENT", "ENODEV", "ENETUNREACH", "EADDRNOTAVAIL"]),
};

/** Preferences of rules without one: below the kernel's own (32766 main), so that they count, and the same after every transition. */
const RULE_PREFERENCE_FIRST = 30_000;

export interface RoutingModules {
  readonly host: VrrpHost;
  readonly failed: (what: string, detail: string) => void;
}

/** Routes and rules of one owner (an instance, or the static ones) in the kernel's tables: which are ours there now. */
export class RoutingHolder {
  #present = new Map<string, RoutingObject>();
  /** Not tracked and taken away by others: left alone until the next `add`. */
  readonly #abandoned = new Set<string>();
  readonly #failures = new Map<string, string>();
  readonly #modules: RoutingModules;

  constructor(modules: RoutingModules) {
    this.#modules = modules;
  }

  /** Makes exactly these be there. Routes before the rules that point to them. */
  add(wanted: readonly RoutingObject[]): void {
    this.#abandoned.clear();
    this.#set(wanted);
  }

  /** The same, without what others took away and is not tracked. */
  repair(wanted: readonly RoutingObject[]): void {
    this.#set(wanted.filter((object) => !this.#abandoned.has(keyOf(object))));
  }

  /** Rules first: nothing is to look into a table that is being emptied. */
  remove(): void {
    this.#apply("delete", [...this.#present.values()].reverse());
    this.#present.clear();
  }

  /** Looks whether ours are still there; true when one that is tracked is not. */
  lookForMissing(): boolean {
    if (this.#present.size === 0) return false;
    const ours = [...this.#present.entries()];
    const found = this.#modules.host.findRoutes(ours.map(([, object]) => object));
    let lost = false;
    for (const [index, [key, object]] of ours.entries()) {
      if (found[index] !== false) continue;
      this.#present.delete(key);
      if (isTracked(object)) lost = true;
      else this.#abandoned.add(key);
    }
    return lost;
  }

  has(object: RoutingObject): boolean {
    return this.#present.has(keyOf(object));
  }

  /** Not tracked, and taken away by others. */
  isAbandoned(object: RoutingObject): boolean {
    return this.#abandoned.has(keyOf(object));
  }

  status(wanted: readonly RoutingObject[]): HostObjectStatus[] {
    return wanted.map((object) => ({ text: describe(object), present: this.has(object) }));
  }

  #set(wanted: readonly RoutingObject[]): void {
    const keys = new Set(wanted.map(keyOf));
    const stale = [...this.#present.entries()].filter(([key]) => !keys.has(key));
    this.#apply("delete", stale.map(([, object]) => object).reverse());
    for (const [key] of stale) this.#present.delete(key);
    const missing = wanted.filter((object) => !this.has(object));
    const outcomes = this.#apply("add", missing);
    for (const [index, object] of missing.entries()) {
      if (outcomes[index] === true) this.#present.set(keyOf(object), object);
    }
  }

  #apply(action: "add" | "delete", objects: readonly RoutingObject[]): boolean[] {
    if (objects.length === 0) return [];
    const outcomes = this.#modules.host.applyRoutes(objects.map((object) => ({ action, object })));
    return objects.map((object, index) => this.#judge(action, object, outcomes[index]));
  }

  #judge(action: "add" | "delete", object: RoutingObject, outcome: ChangeOutcome | undefined): boolean {
    const code = outcome === undefined ? "unknown" : outcome.ok ? undefined : outcome.code;
    const what = `${action} ${object.kind} ${describe(object)}`;
    if (code === undefined || ALREADY[action].has(code)) {
      this.#failures.delete(what);
      return true;
    }
    // Once, not with every attempt.
    if (this.#failures.get(what) !== code) this.#modules.failed(what, code);
    this.#failures.set(what, code);
    return false;
  }
}

/** Routes, then rules, of an instance or of the static ones. */
export function routingObjects(routes: readonly RouteConfig[], rules: readonly RuleConfig[]): readonly RoutingObject[] {
  return [
    ...routes.map((route): RoutingObject => ({ kind: "route", route })),
    ...rules.map((rule): RoutingObject => ({ kind: "rule", rule })),
  ];
}

/** The same configuration with a preference in every rule. */
export function withPreferences(config: VrrpConfig): VrrpConfig {
  let next = RULE_PREFERENCE_FIRST;
  const numbered = (rules: readonly RuleConfig[]): readonly RuleConfig[] =>
    rules.map((rule) => (rule.preference === undefined ? { ...rule, preference: next++ } : rule));
  const staticRules = numbered(config.staticRules);
  const instances = config.instances.map(
    (instance): VrrpInstanceConfig =>
      instance.virtualRules.length === 0 ? instance : { ...instance, virtualRules: numbered(instance.virtualRules) },
  );
  return { ...config, staticRules, instances };
}

function isTracked(object: RoutingObject): boolean {
  return !(object.kind === "route" ? object.route.noTrack : object.rule.noTrack);
}

function keyOf(object: RoutingObject): string {
  return JSON.stringify(object, (_, value: unknown) => (typeof value === "bigint" ? `${value}n` : value));
}

/** In the words of ip-route(8) and ip-rule(8), as far as one recognises it. */
export function describe(object: RoutingObject): string {
  return object.kind === "route" ? describeRoute(object.route) : describeRule(object.rule);
}

type Prefix = { readonly address: string; readonly prefixLength: number };

function cidr({ address, prefixLength }: Prefix): string {
  return `${address}/${prefixLength}`;
}

function describeRoute(route: RouteConfig): string {
  const words = [route.type === "unicast" ? "" : route.type, cidr(route.destination)];
  if (route.gateway !== undefined) words.push("via", route.gateway);
  if (route.device !== undefined) words.push("dev", route.device);
  for (const hop of route.nexthops) {
    words.push("nexthop", ...(hop.gateway === undefined ? [] : ["via", hop.gateway]));
    if (hop.device !== undefined) words.push("dev", hop.device);
  }
  if (route.preferredSource !== undefined) words.push("src", route.preferredSource);
  if (route.metric !== undefined) words.push("metric", String(route.metric));
  words.push("table", String(route.table));
  return words.filter((word) => word !== "").join(" ");
}

function describeRule(rule: RuleConfig): string {
  const words = [rule.not ? "not" : ""];
  if (rule.from !== undefined) words.push("from", cidr(rule.from));
  if (rule.to !== undefined) words.push("to", cidr(rule.to));
  if (rule.fwmark !== undefined) words.push("fwmark", String(rule.fwmark.value));
  if (rule.inputInterface !== undefined) words.push("iif", rule.inputInterface);
  if (rule.outputInterface !== undefined) words.push("oif", rule.outputInterface);
  if (rule.preference !== undefined) words.push("preference", String(rule.preference));
  words.push(rule.action === "table" ? `table ${rule.table ?? "main"}` : rule.action);
  return words.filter((word) => word !== "").join(" ");
}
