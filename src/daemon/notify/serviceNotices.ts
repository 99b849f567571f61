import type { RealServerConfig, VirtualServerConfig } from "../../config/types.ts";
import type { ScriptCommand } from "../../config/vrrp.types.ts";
import type { HealthEvent } from "../../health/types.ts";
import { destinationId } from "../../plan/keys.ts";
import type { FifoSet } from "./fifoSet.ts";
import { type QueueLimits, type QueueModules, type QueueStatus, ScriptQueue } from "./scriptQueue.ts";

interface KnownService {
  config: VirtualServerConfig;
  readonly queue: ScriptQueue;
}

/**
 * Tells of services and their servers what keepalived's checkers tell: `quorum_up`, `quorum_down`, `notify_up`, `notify_down`,
 * and the lines of `lvs_notify_fifo`. A server's first verdict is told when it is down only: keepalived takes
 * servers for up at the start.
 */
export class ServiceNotices {
  readonly #limits: QueueLimits;
  readonly #modules: QueueModules;
  readonly #fifos: FifoSet;
  readonly #known = new Map<string, KnownService>();

  constructor(limits: QueueLimits, modules: QueueModules, fifos: FifoSet) {
    this.#limits = limits;
    this.#modules = modules;
    this.#fifos = fifos;
  }

  configure(services: readonly VirtualServerConfig[]): void {
    const names = new Set(services.map(({ name }) => name));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    for (const config of services) {
      const known = this.#known.get(config.name);
      if (known !== undefined) known.config = config;
      else this.#known.set(config.name, { config, queue: new ScriptQueue(this.#limits, this.#modules) });
    }
  }

  told(event: HealthEvent): void {
    if (event.kind !== "quorum" && event.kind !== "verdict") return;
    const known = this.#known.get(event.service);
    if (known === undefined) return;
    const { config } = known;
    const word = event.to === "up" ? "UP" : "DOWN";
    if (event.kind === "quorum") {
      this.#fifos.write("lvs", `VS ${serviceText(config)} ${word}\n`);
      const [keyword, command] =
        event.to === "up" ? ["quorum_up", config.notify.quorumUp] : ["quorum_down", config.notify.quorumDown];
      this.#run(known, keyword, command, `weight ${event.weight}, ${event.needed} needed`);
      return;
    }
    if (event.from === "unknown" && event.to === "up") return;
    const server = config.realServers.find((each) => destinationId(each) === event.server);
    if (server === undefined) return;
    this.#fifos.write("lvs", `RS ${serverText(server, config)} ${serviceText(config)} ${word}\n`);
    const [keyword, command] =
      event.to === "up" ? ["notify_up", server.notify.up] : ["notify_down", server.notify.down];
    this.#run(known, keyword, command, event.reason, event.server);
  }

  async drained(): Promise<void> {
    await Promise.all([...this.#known.values()].map(({ queue }) => queue.drained()));
  }

  status(): readonly (QueueStatus & { readonly subject: "SERVICE"; readonly name: string })[] {
    return [...this.#known].map(([name, { queue }]) => ({ subject: "SERVICE", name, ...queue.status() }));
  }

  #run(known: KnownService, keyword: string, command: ScriptCommand | undefined, reason: string, server = ""): void {
    if (command === undefined) return;
    const { name } = known.config;
    known.queue.push({
      name: `${keyword} of ${name}${server === "" ? "" : ` ${server}`}`,
      arguments: command.arguments,
      user: command.user,
      group: command.group,
      // What keepalived does not tell: scripts written for it see no difference.
      environment: { HOLDFAST_SERVICE: name, HOLDFAST_SERVER: server, HOLDFAST_REASON: reason },
    });
  }
}

/** `[192.168.201.15]:tcp:80`, `FWM 30`; a group as keepalived 2.2.7 logs it, `[NAME]:0`. */
function serviceText({ name, targets }: VirtualServerConfig): string {
  const group = / group (.*)$/.exec(name)?.[1];
  if (group !== undefined) return `[${group}]:0`;
  const [target] = targets;
  if (target === undefined || target.protocol === "FWM") return `FWM ${target?.mark ?? 0}`;
  return `[${target.address}]:${target.protocol.toLowerCase()}:${target.port}`;
}

function serverText({ address, port }: RealServerConfig, { targets }: VirtualServerConfig): string {
  const protocol = targets.find((target) => target.protocol !== "FWM")?.protocol.toLowerCase() ?? "none";
  return `[${address}]:${protocol}:${port}`;
}

/** Every script of a service, for whoever examines them beforehand. */
export function serviceScripts(
  service: VirtualServerConfig,
): readonly { readonly keyword: string; readonly command: ScriptCommand }[] {
  const named: [string, ScriptCommand | undefined][] = [
    ["quorum_up", service.notify.quorumUp],
    ["quorum_down", service.notify.quorumDown],
    ...service.realServers.flatMap(({ notify }): [string, ScriptCommand | undefined][] => [
      ["notify_up", notify.up],
      ["notify_down", notify.down],
    ]),
  ];
  return named.flatMap(([keyword, command]) => (command === undefined ? [] : [{ keyword, command }]));
}
