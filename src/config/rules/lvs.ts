import { endpointText, family } from "../../core/ip.ts";
import { writtenChecks } from "../build/checks.ts";
import type { ParsedFile, ParsedServer, ParsedService } from "../build/parsed.ts";
import { patroniBlocks } from "../build/patroni.ts";
import type { DiagnosticList } from "../diagnostics.ts";
import { formatHeader } from "../keywords/serviceKinds.ts";
import { checkPatroniRules } from "./patroni.ts";
import { reportRepeated } from "./rule.ts";
import { SERVICE_KIND_RULES, serverKindRules, targetsDiffer } from "./serviceKinds.ts";

/** Rules between the keywords of virtual servers, real servers and checkers. Each is one function and one sentence. */

export function checkLvsRules(file: ParsedFile, found: DiagnosticList): void {
  for (const service of file.virtual_server) {
    for (const rule of SERVICE_RULES) rule(service, found);
    for (const rule of SERVICE_KIND_RULES) rule(service, file.virtual_server_group, found);
    checkPatroniRules(service, found);
    for (const server of service.values.real_server) {
      for (const rule of SERVER_RULES) rule(server, service, found);
      serverKindRules(server, service, file.virtual_server_group, found);
    }
  }
  targetsDiffer(file, found);
}

const nameOf = ({ header }: ParsedService): string => `virtual_server ${formatHeader(header)}`;
const portOf = (server: ParsedServer, service: ParsedService): number =>
  server.header.port ?? (service.header.kind === "address" ? (service.header.port ?? 0) : 0);

function serversAreThere(service: ParsedService, found: DiagnosticList): void {
  if (service.seen.has("real_server")) return;
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

function roleKeywordsHaveAnEffect(service: ParsedService, found: DiagnosticList): void {
  const { exclusive, role_watch, role_hold } = service.values;
  if (exclusive?.value !== false) return;
  for (const [keyword, value] of Object.entries({ role_watch, role_hold })) {
    if (!value.written) continue;
    found.warning("role-timing-ignored", value.at, `${keyword} has no effect with exclusive off`, "remove one of them");
  }
}

type ServiceRule = (service: ParsedService, found: DiagnosticList) => void;
const SERVICE_RULES: readonly ServiceRule[] = [serversAreThere, serversDiffer, roleKeywordsHaveAnEffect];

/** Nothing tells where to ask: neither the check, nor the server, nor its service. */
function checksHaveAPort(server: ParsedServer, service: ParsedService, found: DiagnosticList): void {
  if (portOf(server, service) !== 0) return;
  for (const { parsed: check } of writtenChecks(server)) {
    if (check.seen.has("connect_port")) continue;
    const message = `real_server ${server.header.address} has no port that its check could ask`;
    found.error("check-without-port", check.at, message, "write connect_port into the check, or the server's port");
  }
}

function urlsAreComplete(server: ParsedServer, _service: ParsedService, found: DiagnosticList): void {
  for (const check of server.values.HTTP_GET) {
    if (!check.seen.has("url")) {
      found.error("missing-keyword", check.at, "HTTP_GET has no url", "add for example: url { path /primary }");
    }
    for (const url of check.values.url) {
      if (url.seen.has("path")) continue;
      found.error("missing-keyword", url.at, "url has no path", "add it, for example: path /primary");
    }
  }
}

function exclusiveServersTellTheirRole(server: ParsedServer, service: ParsedService, found: DiagnosticList): void {
  if (service.values.exclusive?.value !== true || server.values.HTTP_GET.length > 0) return;
  if (patroniBlocks(server, service).length > 0) return;
  const message = `real_server ${server.header.address} has neither patroni nor HTTP_GET, so nothing tells whether it has the role that ${nameOf(service)} is exclusive for`;
  found.error("exclusive-without-role", server.at, message, "check Patroni's role: patroni { role primary }");
}

function checksBindInTheirFamily(server: ParsedServer, _service: ParsedService, found: DiagnosticList): void {
  for (const { values } of writtenChecks(server).map(({ parsed }) => parsed)) {
    const target = values.connect_ip?.value ?? server.header.address;
    if (values.bindto === undefined || family(values.bindto.value) === family(target)) continue;
    const message = `bindto ${values.bindto.value} is not of the address family of ${target}, which is checked`;
    found.error("family-mismatch", values.bindto.at, message, "write an address of this host in that family");
  }
}

type ServerRule = (server: ParsedServer, service: ParsedService, found: DiagnosticList) => void;
const SERVER_RULES: readonly ServerRule[] = [
  checksBindInTheirFamily,
  checksHaveAPort,
  urlsAreComplete,
  exclusiveServersTellTheirRole,
];
