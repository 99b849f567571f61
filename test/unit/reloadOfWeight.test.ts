import { expect, test } from "vitest";
import { parseConfig } from "../../src/config/index.ts";
import type { VirtualServerConfig } from "../../src/config/types.ts";
import { milliseconds, seconds } from "../../src/core/units.ts";
import { EventLog } from "../../src/daemon/events.ts";
import { TableOwner } from "../../src/daemon/tableOwner.ts";
import { FakeKernel } from "../sim/fakeKernel.ts";
import { HealthRig } from "../sim/healthRig.ts";

const SERVICES = 500;
const SERVERS = 10;
/** 1.4 MB of text are read, and 5 000 checks are made in virtual time. */
const TIMEOUT_MS = 300_000;

/** The text of a file in which one server of 5 000 has a weight of its own. */
function fileText(oneWeight: number): string {
  const services = Array.from({ length: SERVICES }, (_, service) => {
    const servers = Array.from({ length: SERVERS }, (_, server) => {
      const weight = service === 250 && server === 5 ? oneWeight : 10;
      return `real_server 192.0.2.${server + 1} ${service + 1000} {\nweight ${weight}\nTCP_CHECK {\nconnect_timeout 1\n}\n}\n`;
    });
    return `virtual_server 10.0.2.10 ${service + 1000} {\nlvs_sched wlc\nlvs_method DR\nprotocol TCP\n${servers.join("")}}\n`;
  });
  return services.join("");
}

function virtualServers(oneWeight: number): readonly VirtualServerConfig[] {
  const { config, diagnostics } = parseConfig(fileText(oneWeight), "test.conf");
  if (config === undefined) throw new Error(JSON.stringify(diagnostics[0]));
  return config.virtualServers;
}

/** From the file's text to the kernel. */
test(
  "a reload with one weight changed of 500 x 10 is one operation, an edit in place, and asks no server anew",
  () => {
    const logger = { error: () => undefined, warn: () => undefined, info: () => undefined, debug: () => undefined };
    const child = { ...logger, child: () => child };
    const kernel = new FakeKernel();
    const rig = new HealthRig({ respond: () => ({ outcome: { kind: "connected" }, after: milliseconds(1) }) });
    const owner = new TableOwner(
      { repairInterval: seconds(2) },
      {
        open: () => kernel,
        store: { readOwnedServices: () => new Set(), writeOwnedServices: () => undefined },
        events: new EventLog({ logger: child, wallMs: () => 0 }),
        clock: { nowUs: () => rig.now },
        timers: { at: () => () => undefined },
      },
    );
    rig.configure(virtualServers(10));
    rig.run(seconds(1));
    owner.program(rig.desired(), "change");
    expect(kernel.applied).toHaveLength(SERVICES + SERVICES * SERVERS);
    kernel.applied.length = 0;
    const asked = rig.started.length;

    rig.configure(virtualServers(20));
    owner.program(rig.desired(), "reload");

    expect(kernel.applied).toEqual([
      expect.objectContaining({
        kind: "editDestination",
        service: { protocol: "TCP", address: "10.0.2.10", port: 1250 },
        destination: { address: "192.0.2.6", port: 1250 },
        attributes: expect.objectContaining({ weight: 20 }),
      }),
    ]);
    expect(rig.started).toHaveLength(asked);
  },
  TIMEOUT_MS,
);
