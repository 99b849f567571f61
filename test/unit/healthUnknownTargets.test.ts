import { expect, test } from "vitest";
import type { VirtualServerConfig } from "../../src/config/types.ts";
import { unknownTargets } from "../../src/health/unknownTargets.ts";
import { serviceId } from "../../src/plan/keys.ts";
import { configFrom } from "../lab/configText.ts";

const service = (port: number, servers: readonly string[], more = ""): string =>
  `virtual_server 10.0.2.10 ${port} {\nprotocol TCP\n${more}\n${servers.map((each) => `real_server ${each} {\n}\n`).join("")}}\n`;

const servicesOf = (...texts: readonly string[]): readonly VirtualServerConfig[] =>
  configFrom(texts.join("")).virtualServers;

const BEFORE = servicesOf(service(1, ["10.0.3.1 80", "10.0.3.2 80"]), service(2, ["10.0.3.1 80"]));
const GROUP = "virtual_server_group web {\n10.0.2.20 80\n10.0.2.21 80\n}\n";
const CLUSTER = "patroni_cluster 10.0.3.1:8008\npatroni {\nrole primary\n}";

test.each([
  { what: "nothing", next: [service(1, ["10.0.3.1 80", "10.0.3.2 80"]), service(2, ["10.0.3.1 80"])], asked: [] },
  { what: "a weight", next: [service(1, ["10.0.3.1 80"], "weight 7")], asked: [] },
  { what: "a service taken away", next: [service(2, ["10.0.3.1 80"])], asked: [] },
  { what: "a server taken away", next: [service(1, ["10.0.3.1 80"])], asked: [] },
  {
    what: "a server that is new there",
    next: [service(2, ["10.0.3.1 80", "10.0.3.2 80"])],
    asked: ["TCP 10.0.2.10:2"],
  },
  { what: "a server's other port", next: [service(2, ["10.0.3.1 81"])], asked: ["TCP 10.0.2.10:2"] },
  { what: "a new service", next: [service(3, ["10.0.3.1 80"])], asked: ["TCP 10.0.2.10:3"] },
  {
    what: "a new group",
    next: [`${GROUP}virtual_server group web {\nprotocol TCP\nreal_server 10.0.3.1 80 {\n}\n}\n`],
    asked: ["TCP 10.0.2.20:80", "TCP 10.0.2.21:80"],
  },
  {
    what: "members that are not in the file",
    next: [service(1, ["10.0.3.1 80"], CLUSTER)],
    asked: ["TCP 10.0.2.10:1"],
  },
])("of a reload that brings $what the kernel is asked about $asked", ({ next, asked }) => {
  expect(unknownTargets(servicesOf(...next), BEFORE).map(serviceId)).toEqual(asked);
});
