import { endpointText } from "../../core/ip.ts";
import type { ParsedFile, ParsedServer, ParsedService } from "../build/parsed.ts";
import { patroniBlocks } from "../build/patroni.ts";
import type { DiagnosticList } from "../diagnostics.ts";
import { formatHeader } from "../keywords/serviceKinds.ts";
import { CHECK_RULES, portOf } from "./checks.ts";
import { checkDiscoveryRules } from "./discovery.ts";
import { checkPatroniRules } from "./patroni.ts";
import { reportRepeated } from "./rule.ts";
import { SERVICE_KIND_RULES, serverKindRules, targetsDiffer } from "./serviceKinds.ts";

/** Rules between the keywords of virtual servers, real servers and checkers. Each is one function and one sentence. */

export function checkLvsRules(file: ParsedFile, found: DiagnosticList): void {
  for (const service of file.virtual_server) {
    for (const rule of SERVICE_RULES) rule(service, found);
    for (const rule of SERVICE_KIND_RULES) rule(service, file, found);
    checkPatroniRules(service, file, found);
    checkDiscoveryRules(service, found);
    for (const server of service.values.real_server) {
      for (const rule of SERVER_RULES) rule(server, service, found, file);
      serverKindRules(server, service, file.virtual_server_group, found);
    }
  }
  targetsDiffer(file, found);
}

const nameOf = ({ header }: ParsedService): string => `virtual_server ${formatHeader(header)}`;

function serversAreThere(service: ParsedService, found: DiagnosticList): void {
  if (service.seen.has("real_server") || service.seen.has("patroni_cluster")) return;
  found.error(
    "no-real-server",
    service.at,
    `${nameOf(service)} has no real_server`,
    "add one for each server, or remove the block",
  );
}

function serversDiffer(service: ParsedService, found: DiagnosticList): void {
  reportRepeated(
    service.values.real_server,
    (server) => endpointText(server.header.address, portOf(server, service)),
    (server, first) => {
      const name = endpointText(server.header.address, portOf(server, service));
      found.error(
        "duplicate-real-server",
        server.at,
        `real_server ${name} is in this virtual_server already, in line ${first.at.line}`,
        "keep one of them",
      );
    },
  );
}

type ServiceRule = (service: ParsedService, found: DiagnosticList) => void;
const SERVICE_RULES: readonly ServiceRule[] = [serversAreThere, serversDiffer];

function exclusiveServersTellTheirRole(server: ParsedServer, service: ParsedService, found: DiagnosticList): void {
  const asking = server.values.HTTP_GET.length + server.values.SSL_GET.length;
  if (service.values.exclusive?.value !== true || asking > 0) return;
  if (patroniBlocks(server, service).length > 0) return;
  const message = `real_server ${server.header.address} has neither patroni nor HTTP_GET, so nothing tells whether it has the role that ${nameOf(service)} is exclusive for`;
  found.error("exclusive-without-role", server.at, message, "check Patroni's role: patroni { role primary }");
}

const SERVER_RULES: typeof CHECK_RULES = [...CHECK_RULES, exclusiveServersTellTheirRole];
