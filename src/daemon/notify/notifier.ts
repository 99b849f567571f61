import type { Config, MailConfig } from "../../config/types.ts";
import type { NotifyConfig } from "../../config/vrrp.types.ts";
import type { MailMessage, MailSender } from "../../core/notify.ts";
import { milliseconds } from "../../core/units.ts";
import type { HealthEvent } from "../../health/types.ts";
import type { Evidence, StateName, Transition } from "../../vrrp/types.ts";
import type { GroupTransition } from "../../workers/vrrp/handle.types.ts";
import { type FifoReaderStatus, FifoSet, type FifoSetModules } from "./fifoSet.ts";
import { MailQueue, type MailStatus } from "./mailQueue.ts";
import { type MailIdentity, mailFor, serviceMailFor } from "./mailText.ts";
import {
  callsFor,
  fifoLine,
  instanceFifoLine,
  type NotifyCall,
  type NotifyState,
  notifyEnvironment,
  type Occasion,
} from "./occasion.ts";
import { type QueueModules, type QueueStatus, ScriptQueue } from "./scriptQueue.ts";
import { ServiceNotices } from "./serviceNotices.ts";

/** A host whose scripts hang goes on: the newest notifications count. */
const LIMITS = { waitingMax: 64, patience: milliseconds(30_000) } as const;

export type NotifierModules = QueueModules &
  FifoSetModules & { readonly sender: MailSender; readonly hostName: () => string };

export interface NotifyStatus {
  /** By instance, group and virtual server. */
  readonly scripts: readonly (QueueStatus & {
    readonly subject: "INSTANCE" | "GROUP" | "SERVICE";
    readonly name: string;
  })[];
  readonly fifos: readonly FifoReaderStatus[];
  readonly mail: MailStatus;
}

interface Known {
  readonly subject: "INSTANCE" | "GROUP";
  readonly name: string;
  notify: NotifyConfig;
  readonly queue: ScriptQueue;
  last: NotifyState | undefined;
  priority: number;
  stopped: boolean;
  configured: boolean;
}

/**
 * Tells the outside world what happened: scripts, FIFOs and mail, in keepalived's words and order. It decides nothing, it
 * never makes VRRP wait, and what it cannot tell is counted and logged.
 */
export class Notifier {
  readonly #modules: NotifierModules;
  readonly #fifos: FifoSet;
  readonly #mail: MailQueue;
  readonly #services: ServiceNotices;
  readonly #known = new Map<string, Known>();
  #global: Config["global"] | undefined;
  #stopping = false;

  constructor(modules: NotifierModules) {
    this.#modules = modules;
    this.#fifos = new FifoSet(modules);
    this.#mail = new MailQueue(modules);
    this.#services = new ServiceNotices(LIMITS, {
      ...modules,
      fifos: this.#fifos,
      post: (occasion) => this.#mailTo((config, who) => serviceMailFor(occasion, config, who)),
    });
  }

  /** At the start and at a reload; what the new configuration removed has been told by `deleted` before. */
  configure(config: Pick<Config, "global" | "vrrp" | "virtualServers">): void {
    const reload = this.#global !== undefined;
    this.#global = config.global;
    this.#fifos.configure(config.global.fifos);
    this.#services.configure(config.virtualServers, config.global.tellsFirstUp);
    for (const known of this.#known.values()) known.configured = false;
    for (const { name, notify, priority } of config.vrrp.instances) this.#know("INSTANCE", name, notify, priority);
    for (const { name, notify } of config.vrrp.syncGroups) this.#know("GROUP", name, notify, 0);
    for (const [key, known] of this.#known) if (!known.configured) this.#known.delete(key);
    if (reload && config.global.fifoWriteStatesOnReload) this.#writeStates();
  }

  transition(instance: string, { from, to, reason, evidence }: Transition): void {
    const state = this.#stateOf(to);
    if (state === undefined) return;
    const { ownPriority, ...rest } = evidence;
    this.#tell({
      subject: "INSTANCE",
      name: instance,
      state,
      priority: ownPriority,
      from,
      reason,
      evidence: { ...rest, ownPriority } as Evidence,
    });
  }

  groupTransition(group: string, { from, to, reason }: GroupTransition): void {
    const state = this.#stateOf(to);
    if (state === undefined) return;
    this.#tell({ subject: "GROUP", name: group, state, priority: 0, from, reason, evidence: {} });
  }

  /** Verdicts of servers and the quorum of services. */
  health(event: HealthEvent): void {
    this.#services.told(event);
  }

  lowerPriority(instance: string, heard: { readonly peer: string; readonly priority: number }): void {
    const known = this.#known.get(key("INSTANCE", instance));
    if (known === undefined) return;
    this.#fifos.write("vrrp", instanceFifoLine(instance, "MASTER_RX_LOWER_PRI", known.priority));
    const { masterRxLowerPri } = known.notify;
    if (masterRxLowerPri === undefined) return;
    const evidence = { peer: heard.peer, peerPriority: heard.priority } as Evidence;
    this.#run(
      known,
      { keyword: "notify_master_rx_lower_pri", command: masterRxLowerPri, added: [] },
      notifyEnvironment({ from: "MASTER", reason: "lowerPriorityHeard", evidence }),
    );
  }

  priorityChanged(instance: string, changed: { readonly priority: number; readonly state: StateName }): void {
    const known = this.#known.get(key("INSTANCE", instance));
    if (known === undefined) return;
    known.priority = changed.priority;
    if (!known.notify.priorityChanges || (changed.state !== "MASTER" && changed.state !== "BACKUP")) return;
    this.#fifos.write("vrrp", instanceFifoLine(instance, `${changed.state}_PRIORITY`, changed.priority));
  }

  /** While its definition is still known: a reload is about to drop it. */
  deleted(instance: string): void {
    const known = this.#known.get(key("INSTANCE", instance));
    if (known === undefined) return;
    const state = known.notify.tellsDeleted ? "DELETED" : "FAULT";
    const { priority } = known;
    this.#tell({
      ...{ subject: "INSTANCE", name: instance, state, priority },
      ...{ from: undefined, reason: "removedByReload", evidence: {} },
    });
  }

  /** From here a transition to INIT is an end, and no instance begun anew. */
  stopping(): void {
    this.#stopping = true;
  }

  /** After VRRP has stopped: STOP for those that it said nothing of, a worker that had died for instance; then groups. */
  finish(): void {
    this.#stopping = true;
    for (const subject of ["INSTANCE", "GROUP"] as const) {
      for (const known of this.#known.values()) {
        if (known.subject !== subject || known.stopped) continue;
        const { name, priority } = known;
        this.#tell({
          ...{ subject, name, state: "STOP", priority },
          ...{ from: undefined, reason: "stopped", evidence: {} },
        });
      }
    }
    this.#services.finish();
  }

  /** Resolves when every script has ended and every mail is sent or given up. */
  async drained(): Promise<void> {
    await Promise.all([
      ...[...this.#known.values()].map(({ queue }) => queue.drained()),
      this.#services.drained(),
      this.#mail.drained(),
    ]);
  }

  /** Resolves when the scripts that read FIFOs have ended. */
  close(): Promise<void> {
    return this.#fifos.close();
  }

  status(): NotifyStatus {
    const scripts = [...this.#known.values()].map(({ subject, name, queue }) => ({ subject, name, ...queue.status() }));
    return {
      scripts: [...scripts, ...this.#services.status()],
      fifos: this.#fifos.status(),
      mail: this.#mail.status(),
    };
  }

  /** INIT is no state that anybody is told of, but the way to the end. */
  #stateOf(state: StateName): NotifyState | undefined {
    if (state !== "INIT") return state;
    return this.#stopping ? "STOP" : undefined;
  }

  #know(subject: "INSTANCE" | "GROUP", name: string, notify: NotifyConfig, priority: number): void {
    const known = this.#known.get(key(subject, name));
    if (known !== undefined) {
      known.notify = notify;
      known.configured = true;
      return;
    }
    const queue = new ScriptQueue(LIMITS, this.#modules);
    this.#known.set(key(subject, name), {
      ...{ subject, name, notify, queue, priority },
      ...{ last: undefined, stopped: false, configured: true },
    });
  }

  #tell(occasion: Occasion): void {
    const known = this.#known.get(key(occasion.subject, occasion.name));
    if (known === undefined) return;
    known.last = occasion.state;
    known.priority = occasion.priority;
    known.stopped = occasion.state === "STOP";
    this.#fifos.write("vrrp", fifoLine(occasion));
    const environment = notifyEnvironment(occasion);
    for (const call of callsFor(known.notify, occasion)) this.#run(known, call, environment);
    if (known.notify.smtpAlert) this.#post(occasion);
  }

  #run(known: Known, call: NotifyCall, environment: Record<string, string>): void {
    known.queue.push({
      name: `${call.keyword} of ${known.name}`,
      arguments: [...call.command.arguments, ...call.added],
      user: call.command.user,
      group: call.command.group,
      environment,
    });
  }

  /** keepalived mails MASTER, BACKUP and FAULT. */
  #post(occasion: Occasion): void {
    if (occasion.state === "STOP" || occasion.state === "DELETED") return;
    if (occasion.state === "FAULT" && this.#global?.mail?.noFaults === true) return;
    this.#mailTo((config, who) => mailFor(occasion, config, who));
  }

  #mailTo(write: (config: MailConfig, who: MailIdentity & { readonly wallMs: number }) => MailMessage): void {
    const config = this.#global?.mail;
    if (config === undefined) return;
    const who = this.#identity();
    const server = {
      server: config.server,
      port: config.port,
      heloName: config.heloName ?? who.hostName,
      timeoutMs: config.connectTimeout / 1_000,
    };
    this.#mail.push(server, write(config, { ...who, wallMs: this.#modules.wallMs() }));
  }

  #identity(): MailIdentity {
    const hostName = this.#modules.hostName();
    return { hostName, routerId: this.#global?.routerId ?? hostName };
  }

  #writeStates(): void {
    for (const { subject, name, last, priority } of this.#known.values()) {
      if (last !== undefined) this.#fifos.write("vrrp", fifoLine({ subject, name, state: last, priority }));
    }
  }
}

const key = (subject: "INSTANCE" | "GROUP", name: string): string => `${subject} ${name}`;
