import { family } from "../../core/ip.ts";
import type { ParsedServer, ParsedService } from "../build/parsed.ts";
import type { DiagnosticList } from "../diagnostics.ts";
import { reportRepeated } from "./rule.ts";

/** Rules between the keywords of virtual servers, real servers and checkers. Each is one function and one sentence. */

export function checkLvsRules(services: readonly ParsedService[], found: DiagnosticList): void {
  for (const service of services) {
    for (const rule of SERVICE_RULES) rule(service, found);
    for (const server of service.values.real_server) for (const rule of SERVER_RULES) rule(server, service, found);
  }
  servicesDiffer(services, found);
}

/** `10.0.2.10:5432`, `[2001:db8::1]:80` */
export function endpointText(address: string, port: number): string {
  return address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;
}

const nameOf = ({ header }: ParsedService): string => `virtual_server ${header.address} ${header.port}`;
const portOf = (server: ParsedServer, service: ParsedService): number => server.header.port ?? service.header.port;

function keywordsWithoutUsableDefaultAreWritten(service: ParsedService, found: DiagnosticList): void {
  const { seen, at } = service;
  if (!seen.has("lvs_method")) {
    const message = `${nameOf(service)} has no lvs_method; keepalived would take NAT, which is not implemented yet`;
    found.error("missing-keyword", at, message, "write lvs_method DR");
  }
  if (!seen.has("protocol")) {
    const message = `${nameOf(service)} has no protocol; keepalived would take UDP, which is not implemented yet`;
    found.error("missing-keyword", at, message, "write protocol TCP");
  }
}

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

function roleWatchHasAnEffect(service: ParsedService, found: DiagnosticList): void {
  const { exclusive, role_watch } = service.values;
  if (exclusive?.value !== false || !role_watch.written) return;
  found.warning(
    "role-watch-ignored",
    role_watch.at,
    "role_watch has no effect with exclusive off",
    "remove one of them",
  );
}

type ServiceRule = (service: ParsedService, found: DiagnosticList) => void;
const SERVICE_RULES: readonly ServiceRule[] = [
  keywordsWithoutUsableDefaultAreWritten,
  serversAreThere,
  serversDiffer,
  roleWatchHasAnEffect,
];

function familiesAgree(server: ParsedServer, service: ParsedService, found: DiagnosticList): void {
  if (family(server.header.address) === family(service.header.address)) return;
  const message = `real_server ${server.header.address} is not of the address family of ${nameOf(service)}`;
  found.error("family-mismatch", server.at, message, "direct routing needs addresses of one family");
}

/** ipvsadm(8): with direct routing the port of a real server is that of its service. */
function portsAgree(server: ParsedServer, service: ParsedService, found: DiagnosticList): void {
  if (portOf(server, service) === service.header.port) return;
  const message = `real_server ${server.header.address} has port ${portOf(server, service)}, but direct routing delivers to port ${service.header.port} of its virtual_server`;
  found.error(
    "port-mismatch",
    server.at,
    message,
    `write port ${service.header.port}; to check another port, use connect_port`,
  );
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
  const message = `real_server ${server.header.address} has no HTTP_GET, so nothing tells whether it has the role that ${nameOf(service)} is exclusive for`;
  found.error(
    "exclusive-without-role",
    server.at,
    message,
    "check Patroni's role: HTTP_GET { connect_port 8008 url { path /primary } }",
  );
}

type ServerRule = (server: ParsedServer, service: ParsedService, found: DiagnosticList) => void;
const SERVER_RULES: readonly ServerRule[] = [familiesAgree, portsAgree, urlsAreComplete, exclusiveServersTellTheirRole];

function servicesDiffer(services: readonly ParsedService[], found: DiagnosticList): void {
  reportRepeated(
    services,
    ({ header }) => endpointText(header.address, header.port),
    (service, first) => {
      found.error(
        "duplicate-virtual-server",
        service.at,
        `${nameOf(service)} is defined already in line ${first.at.line}`,
        "keep one of them, with all real servers",
      );
    },
  );
}
