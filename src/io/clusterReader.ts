import type { PatroniCheckConfig } from "../config/check.types.ts";
import type { DiscoveryConfig } from "../config/types.ts";
import { CLUSTER_PATHS } from "../health/members.ts";
import type { ProbeOutcome } from "../health/types.ts";
import type { Running } from "./checkers/attempt.ts";
import type { SocketOpener } from "./checkers/path.ts";
import { patroniProber } from "./checkers/patroni.ts";
import { TlsContexts } from "./tlsContexts.ts";

/** Asks REST APIs about their clusters, with TLS, user, source address and deadline of the service's `patroni` check. */
export function createClusterReader(addon: () => SocketOpener) {
  const contexts = new TlsContexts();
  const running = new Set<Running>();
  return {
    /** Exactly one outcome, later: the answers to CLUSTER_PATHS, or why there are none. */
    ask: (
      { template }: DiscoveryConfig,
      source: { readonly address: PatroniCheckConfig["connectIp"]; readonly port: number },
      done: (outcome: ProbeOutcome) => void,
    ): void => {
      const check = template.checks.find((each) => each.kind === "patroni");
      if (check === undefined) throw new Error("a cluster is followed by a patroni check");
      const question = { ...check, connectIp: source.address, connectPort: source.port };
      const prober = patroniProber(question, { addon, contexts, running }, CLUSTER_PATHS);
      prober.start((outcome) => {
        prober.close();
        done(outcome);
      });
    },
  };
}
