import type { RealServerConfig, VirtualServerConfig } from "../../config/types.ts";
import type { ScriptCommand } from "../../config/vrrp.types.ts";
import { parseServer } from "../../health/overrides.ts";
import type { HealthEvent } from "../../health/types.ts";
import { destinationId } from "../../plan/keys.ts";
import type { DestinationId } from "../../plan/types.ts";
import type { FifoSet } from "./fifoSet.ts";
import { serverText, serviceText } from "./mailText.ts";
import { type QueueLimits, type QueueModules, type QueueStatus, ScriptQueue } from "./scriptQueue.ts";

type Word = "up" | "down";

interface KnownService {
  config: VirtualServerConfig;
  readonly queue: ScriptQueue;
  /** What was told last: what the end takes down. */
  readonly servers: Map<DestinationId, Word>;
  quorum: Word | undefined;
}

/** What a mail is about; who it goes to and from whom is its reader's business. */
export interface ServiceOccasion {
  readonly service: VirtualServerConfig;
  /** Undefined: it is the quorum's. */
  readonly server: RealServerConfig | undefined;
  readonly to: Word;
  readonly reason: string;
}

/**
 * Tells of services and their servers what keepalived's checkers tell: `quorum_up`, `quorum_down`, `notify_up`, `notify_down`,
 * the lines of `lvs_notify_fifo`, and mail. A server's first verdict is told when it is down only, unless `rs_init_notifies`
 * is written: keepalived takes servers for up at the start.
 */
export class ServiceNotices {
  readonly #limits: QueueLimits;
  readonly #modules: QueueModules;
  readonly #fifos: FifoSet;
  readonly #post: (occasion: ServiceOccasion) => void;
  readonly #known = new Map<string, KnownService>();
  #tellsFirstUp = false;

  constructor(
    limits: QueueLimits,
    modules: QueueModules & { readonly fifos: FifoSet; readonly post: (occasion: ServiceOccasion) => void },
  ) {
    this.#limits = limits;
    this.#modules = modules;
    this.#fifos = modules.fifos;
    this.#post = modules.post;
  }

  configure(services: readonly VirtualServerConfig[], tellsFirstUp: boolean): void {
    this.#tellsFirstUp = tellsFirstUp;
    const names = new Set(services.map(({ name }) => name));
    for (const name of this.#known.keys()) if (!names.has(name)) this.#known.delete(name);
    for (const config of services) {
      const known = this.#known.get(config.name);
      if (known !== undefined) known.config = config;
      else {
        const queue = new ScriptQueue(this.#limits, this.#modules);
        this.#known.set(config.name, { config, queue, servers: new Map(), quorum: undefined });
      }
    }
  }

  told(event: HealthEvent): void {
    if (event.kind !== "quorum" && event.kind !== "verdict") return;
    const known = this.#known.get(event.service);
    if (known === undefined || (event.to !== "up" && event.to !== "down")) return;
    if (event.kind === "quorum") {
      known.quorum = event.to;
      this.#quorum(known, event.to, `weight ${event.weight}, ${event.needed} needed`);
      return;
    }
    known.servers.set(event.server, event.to);
    if (event.from === "unknown" && event.to === "up" && !this.#tellsFirstUp) return;
    this.#server(known, event.server, event.to, event.reason);
  }

  /** The end of the daemon, `omega`: what was up is told to be down, servers first. No mail: nothing has failed. */
  finish(): void {
    for (const known of this.#known.values()) {
      if (!known.config.notify.downAtEnd) continue;
      for (const [server, last] of known.servers)
        if (last === "up") this.#server(known, server, "down", ENDS, { mail: false });
      if (known.quorum === "up") this.#quorum(known, "down", ENDS, { mail: false });
    }
  }

  async drained(): Promise<void> {
    await Promise.all([...this.#known.values()].map(({ queue }) => queue.drained()));
  }

  status(): readonly (QueueStatus & { readonly subject: "SERVICE"; readonly name: string })[] {
    return [...this.#known].map(([name, { queue }]) => ({ subject: "SERVICE", name, ...queue.status() }));
  }

  #quorum(known: KnownService, to: Word, reason: string, { mail } = { mail: true }): void {
    const { config } = known;
    this.#fifos.write("lvs", `VS ${serviceText(config)} ${to.toUpperCase()}\n`);
    const [keyword, command] =
      to === "up" ? ["quorum_up", config.notify.quorumUp] : ["quorum_down", config.notify.quorumDown];
    this.#run(known, keyword, command, reason);
    if (mail && config.notify.smtpAlert) this.#post({ service: config, server: undefined, to, reason });
  }

  #server(known: KnownService, id: DestinationId, to: Word, reason: string, { mail } = { mail: true }): void {
    const { config } = known;
    const server = config.realServers.find((each) => destinationId(each) === id) ?? memberBy(config, id);
    if (server === undefined) return;
    this.#fifos.write("lvs", `RS ${serverText(server, config)} ${serviceText(config)} ${to.toUpperCase()}\n`);
    const [keyword, command] = to === "up" ? ["notify_up", server.notify.up] : ["notify_down", server.notify.down];
    this.#run(known, keyword, command, reason, id);
    if (mail && server.notify.smtpAlert) this.#post({ service: config, server, to, reason });
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

/** A server that `patroni_cluster` has found. */
function memberBy({ discovery }: VirtualServerConfig, id: DestinationId): RealServerConfig | undefined {
  const named = parseServer(id);
  return discovery && named && { ...discovery.template, address: named.address, port: named.port ?? 0 };
}

const ENDS = "holdfast stops";

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
