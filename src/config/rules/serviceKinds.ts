import { endpointText, family } from "../../core/ip.ts";
import type { ParsedFile, ParsedGroup, ParsedServer, ParsedService } from "../build/parsed.ts";
import { buildService, countingQuorum, type ServiceFile } from "../build/services.ts";
import { buildTargets, forwardingOf, groupOf, linesOf } from "../build/targets.ts";
import { placeOf } from "../build/written.ts";
import type { DiagnosticList } from "../diagnostics.ts";
import { type Endpoint, formatHeader } from "../keywords/serviceKinds.ts";
import type { ForwardingConfig, ServiceTarget, SourceSpan } from "../types.ts";
import { reportRepeated } from "./rule.ts";

/** Rules about what a virtual server answers to and how it forwards; ipvsadm(8) says which combinations are valid. */

type KindRule = (service: ParsedService, file: ServiceFile, found: DiagnosticList) => void;

const nameOf = ({ header }: ParsedService): string => `virtual_server ${formatHeader(header)}`;
const targetFamily = (target: ServiceTarget) => (target.protocol === "FWM" ? target.family : family(target.address));
const targetText = (target: ServiceTarget): string =>
  target.protocol === "FWM"
    ? `fwmark ${target.mark} ${target.family === 6 ? "inet6" : "inet"}`
    : `${target.protocol} ${endpointText(target.address, target.port)}`;

const groupIsThere: KindRule = (service, file, found) => {
  const { header } = service;
  if (header.kind !== "group") return;
  const named = groupOf(header, file.virtual_server_group);
  const [first] = named;
  if (first === undefined) {
    const names = file.virtual_server_group.map((group) => group.header).join(", ");
    const remedy = names === "" ? "define it" : `define it, or name one of ${names}`;
    found.error("unknown-name", header.name.at, `there is no virtual_server_group ${header.name.text}`, remedy);
  } else if (named.every((group) => linesOf(group).length === 0) && !found.hasErrors) {
    const message = `virtual_server_group ${header.name.text} is empty`;
    found.error("empty-group", first.at, message, "add addresses, ranges or firewall marks");
  }
};

/** ipvsadm(8), -t: "Use of port 0 is only valid in conjunction with the -p option". */
const everyPortIsPersistent: KindRule = (service, file, found) => {
  const open = buildTargets(service, file.virtual_server_group).find(
    (target) => target.protocol !== "FWM" && target.port === 0,
  );
  if (open === undefined) return;
  const built = buildService(service, file);
  if (built.persistenceTimeoutSec === 0) {
    const message = `${nameOf(service)} has no port, which the kernel takes with persistence only`;
    found.error("port-without-persistence", service.at, message, "write a port, or persistence_timeout");
  } else if (built.exclusive !== "no" && built.exclusive !== "off") {
    const message = `${nameOf(service)} has no port, but is exclusive: that needs a service without persistence`;
    found.error("port-without-persistence", service.at, message, "write a port, or exclusive off");
  }
};

const FLAGS_OF = { sh: ["sh-fallback", "sh-port"], mh: ["mh-fallback", "mh-port"] } as const;

const flagsFitTheScheduler: KindRule = ({ values }, _file, found) => {
  for (const [scheduler, flags] of Object.entries(FLAGS_OF)) {
    if (values.lvs_sched.value === scheduler) continue;
    for (const flag of flags) {
      const written = values[flag];
      if (written === undefined) continue;
      const message = `${flag} is a flag of the scheduler ${scheduler}, not of ${values.lvs_sched.value}`;
      found.error("scheduler-flag", written.at, message, `remove it, or write lvs_sched ${scheduler}`);
    }
  }
};

const onePacketIsOfUdp: KindRule = ({ header, values }, _file, found) => {
  if (values.ops === undefined || header.kind === "fwmark" || values.protocol.value === "UDP") return;
  const message = `ops has no effect on ${values.protocol.value}: the kernel schedules packets one by one for UDP only`;
  found.warning("ops-without-udp", values.ops.at, message, "remove it");
};

const persistenceIsWhole: KindRule = (service, file, found) => {
  const { persistence_granularity, persistence_engine, persistence_timeout, protocol } = service.values;
  for (const written of [persistence_granularity, persistence_engine]) {
    if (written === undefined || !persistence_timeout.written || persistence_timeout.value > 0) continue;
    const keyword = written === persistence_engine ? "persistence_engine" : "persistence_granularity";
    const message = `${keyword} has no effect with persistence_timeout 0`;
    found.warning("persistence-missing", written.at, message, "write a longer persistence_timeout, or remove it");
  }
  if (persistence_engine !== undefined && service.header.kind !== "fwmark" && protocol.value !== "UDP") {
    const message = "persistence_engine sip reads SIP over UDP only";
    found.error("engine-without-udp", persistence_engine.at, message, "write protocol UDP, or remove it");
  }
  if (persistence_granularity === undefined) return;
  const other = buildTargets(service, file.virtual_server_group).find(
    (target) => targetFamily(target) !== persistence_granularity.value.family,
  );
  if (other === undefined) return;
  const right = targetFamily(other) === 6 ? "a prefix length, for example 64" : "a netmask, for example 255.255.255.0";
  const message = `persistence_granularity is not of the address family of ${targetText(other)}`;
  found.error("family-mismatch", persistence_granularity.at, message, `write ${right}`);
};

const ipFamilyIsOfAMark: KindRule = ({ header, values }, _file, found) => {
  if (values.ip_family === undefined || header.kind === "fwmark") return;
  const remedy = header.kind === "group" ? "write it behind the marks of the group" : "remove it";
  found.warning("ip-family-ignored", values.ip_family.at, "ip_family is for a service by fwmark", remedy);
};

/** With as much tolerance as quorum, the quorum would never be lost. */
const hysteresisIsBelowQuorum: KindRule = ({ values, at }, _file, found) => {
  const { quorum, hysteresis } = values;
  if (hysteresis.value === 0 || hysteresis.value < quorum.value) return;
  const message = `hysteresis ${hysteresis.value} is not below quorum ${quorum.value}: the quorum would never be lost`;
  found.error("contradiction", placeOf(hysteresis, at), message, `write a smaller one, or a greater quorum`);
};

const quorumIsAttainable: KindRule = (service, _file, found) => {
  const { quorum } = service.values;
  if (quorum.value === countingQuorum(service)) return;
  const message = `quorum ${quorum.value} is more than the weight of all real servers together, which is taken instead`;
  found.warning("quorum-unattainable", placeOf(quorum, service.at), message, "write a smaller one");
};

const sorryServerFits: KindRule = (service, file, found) => {
  const { sorry_server, sorry_server_inhibit, sorry_server_lvs_method, lvs_method, real_server } = service.values;
  if (sorry_server === undefined) {
    const [written] = [sorry_server_inhibit, sorry_server_lvs_method].filter((each) => each !== undefined);
    if (written === undefined) return;
    found.warning("sorry-server-missing", written.at, "there is no sorry_server", "write one, or remove this");
    return;
  }
  const { address, port } = sorry_server.value;
  const method = (sorry_server_lvs_method?.value ?? lvs_method.value).method;
  serverFits(
    { what: "sorry_server", address, port, method, at: sorry_server.at },
    service,
    file.virtual_server_group,
    found,
  );
  const same = real_server.find(
    ({ header }) => header.address === address && (method !== "NAT" || header.port === port),
  );
  if (same === undefined) return;
  const message = `sorry_server ${address} is a real_server of the same service, in line ${same.at.line}`;
  found.error("duplicate-real-server", sorry_server.at, message, "name a server that is none of the real ones");
};

export const SERVICE_KIND_RULES: readonly KindRule[] = [
  groupIsThere,
  everyPortIsPersistent,
  flagsFitTheScheduler,
  onePacketIsOfUdp,
  persistenceIsWhole,
  ipFamilyIsOfAMark,
  hysteresisIsBelowQuorum,
  quorumIsAttainable,
  sorryServerFits,
];

/** keepalived.conf(5): only tunnelled servers may be of another family; ipvsadm(8): only NAT leads to another port. */
export function serverKindRules(
  server: ParsedServer,
  service: ParsedService,
  groups: readonly ParsedGroup[],
  found: DiagnosticList,
): void {
  const { method } = forwardingOf(server, service.values.lvs_method.value);
  serverFits({ what: "real_server", ...server.header, method, at: server.at }, service, groups, found);
  thresholdsAgree(server, found);
}

interface Forwarded extends Endpoint {
  readonly what: string;
  readonly method: ForwardingConfig["method"];
  readonly at: SourceSpan;
}

function serverFits(
  { what, address, port, method, at }: Forwarded,
  service: ParsedService,
  groups: readonly ParsedGroup[],
  found: DiagnosticList,
): void {
  const targets = buildTargets(service, groups);
  const other = targets.find((target) => targetFamily(target) !== family(address));
  if (method !== "TUN" && other !== undefined) {
    const message = `${what} ${address} is not of the address family of ${nameOf(service)} (${targetText(other)})`;
    found.error("family-mismatch", at, message, "only tunnels lead to the other family: lvs_method TUN");
  }
  const elsewhere = targets.find((target) => target.protocol !== "FWM" && port !== undefined && target.port !== port);
  if (method !== "NAT" && elsewhere !== undefined && elsewhere.protocol !== "FWM") {
    const message = `${what} ${address} has port ${port}, but ${method} delivers to port ${elsewhere.port} of ${nameOf(service)}`;
    const remedy =
      elsewhere.port === 0
        ? "remove the port; to check one, use connect_port"
        : `write port ${elsewhere.port}; to check another port, use connect_port`;
    found.error("port-mismatch", at, message, remedy);
  }
}

function thresholdsAgree({ values }: ParsedServer, found: DiagnosticList): void {
  const { uthreshold, lthreshold } = values;
  if (!lthreshold.written || lthreshold.value === 0) return;
  if (uthreshold.value === 0) {
    const message = "lthreshold has no effect without uthreshold";
    found.warning("threshold-ignored", lthreshold.at, message, "write uthreshold, or remove it");
  } else if (lthreshold.value > uthreshold.value) {
    const message = `lthreshold ${lthreshold.value} is above uthreshold ${uthreshold.value}`;
    found.error("contradiction", lthreshold.at, message, "write the lower number as lthreshold");
  }
}

/** The kernel has one service for each address, port and protocol, and for each mark and family. */
export function targetsDiffer({ virtual_server, virtual_server_group }: ParsedFile, found: DiagnosticList): void {
  const all = virtual_server.flatMap((service) =>
    buildTargets(service, virtual_server_group).map((target) => ({ text: targetText(target), service })),
  );
  const told = new Set<SourceSpan>();
  reportRepeated(
    all,
    ({ text }) => text,
    ({ text, service }, first) => {
      // One range over another would be hundreds of the same.
      if (told.has(service.at)) return;
      told.add(service.at);
      const where =
        first.service === service ? "twice in its group" : `defined already in line ${first.service.at.line}`;
      const message = `${nameOf(service)}: ${text} is ${where}`;
      found.error("duplicate-virtual-server", service.at, message, "keep one of them, with all real servers");
    },
  );
}
