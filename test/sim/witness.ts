import type { VirtualServerConfig } from "../../src/config/types.ts";
import type { Us } from "../../src/core/units.ts";
import type { ProbeOutcome } from "../../src/health/types.ts";
import { destinationId, serviceId } from "../../src/plan/keys.ts";
import type { DesiredService, DestinationId, ServiceId } from "../../src/plan/types.ts";
import { type NetworkProbe, realServerId } from "./healthRig.ts";
import type { Invariants } from "./invariants.ts";
import type { OperatorWords } from "./operatorWords.ts";
import { sameCheck } from "./services.ts";

/** A service that a probe answers: whether it asks for readers, and whether its primary may read, too. */
interface Asking {
  readonly name: ServiceId;
  readonly reads: boolean;
  readonly tiers: boolean;
}

/** What one life of a daemon was answered, judged by the simulation's own, much simpler rules; and what it may want then. */
export class Witness {
  /** By `service server`: the latest HTTP answer denied the role. */
  readonly denied = new Set<string>();
  /** By `service server`: a check has passed in this life. */
  private readonly passed = new Set<string>();
  /** Addresses whose service port did not accept the latest connection. */
  private readonly deafPorts = new Set<string>();
  private readonly known = new Map<string, readonly Asking[]>();
  private knownOf: readonly VirtualServerConfig[] | undefined;
  private readonly invariants: Invariants;
  private readonly words: OperatorWords;

  constructor(invariants: Invariants, words: OperatorWords) {
    this.invariants = invariants;
    this.words = words;
  }

  /** A new life knows nothing; what the table has of these services is proven by whoever left it there. */
  newLife(services: readonly ServiceId[]): void {
    this.denied.clear();
    this.passed.clear();
    this.deafPorts.clear();
    this.invariants.adopt(services);
  }

  /** Before the machine is told. */
  learn(services: readonly VirtualServerConfig[], { key, check: probed }: NetworkProbe, outcome: ProbeOutcome): void {
    if (outcome.kind === "connected") this.deafPorts.delete(probed.connectIp);
    else if (probed.kind === "TCP_CHECK") this.deafPorts.add(probed.connectIp);
    const server = realServerId(probed.connectIp);
    const answer = outcome.kind === "answered" ? outcome.answers[0] : undefined;
    const body = answer?.body ?? "";
    const confirmed = answer?.status === 200 && body.includes('"role":"primary"') && body.includes('"state":"running"');
    for (const { name, reads, tiers } of this.asking(services, key, probed)) {
      const id = `${name} ${server}`;
      const passes = (reads && body.includes('"role":"replica"')) || ((!reads || tiers) && answer?.status === 200);
      if (outcome.kind === "connected" || passes) {
        this.invariants.proven.add(id);
        this.passed.add(id);
      }
      this.invariants.latestClaim.set(id, confirmed);
      // A proxy's page says nothing of the role.
      if (!body.startsWith("{")) continue;
      if (answer?.status === 200) this.denied.delete(id);
      else this.denied.add(id);
    }
  }

  /** The services that a probe answers, and whether they ask it for readers; kept as long as the configuration. */
  private asking(
    services: readonly VirtualServerConfig[],
    key: string,
    probed: NetworkProbe["check"],
  ): readonly Asking[] {
    if (this.knownOf !== services) {
      this.known.clear();
      this.knownOf = services;
    }
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const asking = services.flatMap(({ name, realServers }) => {
      const checks = realServers.flatMap((server) => server.checks.filter((check) => sameCheck(check, probed)));
      const reads = checks.some((check) => check.kind === "patroni" && check.role.includes("replica"));
      const tiers = realServers.some(({ fallback }) => fallback !== undefined);
      return checks.length === 0 ? [] : [{ name, reads, tiers }];
    });
    this.known.set(key, asking);
    return asking;
  }

  /** Whether the latest connection to a server's service port was not accepted. */
  isDeaf(address: string): boolean {
    return this.deafPorts.has(address);
  }

  /** A role answer acts at once: no step may want weight where the latest outcome is a status that denies the role. */
  checkWanted(desired: readonly DesiredService[], now: Us): void {
    for (const service of desired) {
      this.checkWords(service, now);
      if (!service.exclusive) continue;
      let writer: DestinationId | undefined;
      for (const row of service.destinations) {
        if (row.weight === 0) continue;
        const server = realServerId(row.address);
        if (writer !== undefined) throw new Error(`two writers wanted: ${writer} and ${server}`);
        writer = server;
        if (this.denied.has(`${serviceId(service.key)} ${server}`))
          throw new Error(`${server} wanted although it said no`);
      }
    }
  }

  /** An operator's word holds, whatever else happens; a server without a verdict may have less, never more. */
  private checkWords(service: DesiredService, now: Us): void {
    if (!this.words.speaks) return;
    const id = serviceId(service.key);
    for (const row of service.destinations) {
      const said = this.words.weightFor(id, row.address, now);
      if (said === undefined || row.weight === 0 || row.weight === said) continue;
      if (row.weight < said && !this.passed.has(`${id} ${destinationId(row)}`)) continue;
      throw new Error(`${id} ${destinationId(row)} wanted with weight ${row.weight}, an operator said ${said}`);
    }
  }
}
