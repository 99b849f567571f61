import { bytesText, toSeconds } from "../core/units.ts";
import type { DaemonStatus, OperatorStatus, RecordedEvent, ServiceStatus } from "../daemon/control.types.ts";
import { overrideText } from "../health/overrides.ts";
import type { ServerHealth } from "../health/types.ts";
import { kickLines, notificationSection, trackerSection } from "./hostSideText.ts";
import { lvsSection } from "./lvsText.ts";
import { time } from "./timeText.ts";
import { vrrpSection } from "./vrrpText.ts";

const EVENTS_SHOWN = 10;

/** `holdfast status` for people: who holds what, where connections go, and why. */
export function formatStatus(status: DaemonStatus): string {
  const lines = [
    `holdfast ${status.version}, process ${status.processId}, since ${time(status.startedAtMs)}`,
    `configuration ${status.configuration.file}, loaded ${time(status.configuration.loadedAtMs)}`,
  ];
  if (status.configuration.lastError !== undefined)
    lines.push(`LAST RELOAD REFUSED: ${status.configuration.lastError}`);
  lines.push(guardLine(status), ...kickLines(status.kickDoor), ...vrrpSection(status.vrrp));
  lines.push("", "Services", ...operatorLines(status.operator));
  if (status.services.length === 0) lines.push("  no virtual servers");
  for (const service of status.services) lines.push(...serviceLines(service));
  lines.push(...lvsSection(status.lvs));
  lines.push(...trackerSection(status.trackers), ...notificationSection(status.notifications));
  lines.push("", "Latest events", ...status.events.slice(-EVENTS_SHOWN).map(eventLine));
  return `${lines.join("\n")}\n`;
}

function guardLine({ guard, vrrp: { will } }: DaemonStatus): string {
  if (guard === undefined) return "guard: NONE RUNS; after a death addresses end with their leases only";
  const state = will.armed ? "armed" : will.attached ? "nothing to guard" : "NOT REACHED BY THE VRRP THREAD";
  return `guard: process ${guard.processId}, ${state}${guard.lockedInMemory ? "" : ", not locked in memory"}`;
}

function operatorLines({ overrides, repairPausedUntilMs }: OperatorStatus): string[] {
  const paused =
    repairPausedUntilMs === undefined
      ? []
      : [`  REPAIR PAUSED until ${time(repairPausedUntilMs)}: the kernel's table is left to an administrator`];
  const overridden = overrides.map(({ target, weight, endsAtMs, keep, servers }) => {
    const end = endsAtMs === undefined ? "until `holdfast enable`" : `until ${time(endsAtMs)}`;
    const notes = [
      end,
      ...(keep ? ["kept over a restart"] : []),
      ...(servers.length === 0 ? ["NO SUCH SERVER NOW"] : []),
    ];
    return `  OVERRIDE ${target}: ${overrideText({ weight })} (${notes.join(", ")})`;
  });
  return [...paused, ...overridden];
}

function serviceLines(service: ServiceStatus): string[] {
  const notes = [service.scheduler];
  if (service.exclusive)
    notes.push(service.holder === undefined ? "exclusive, NO HOLDER" : `exclusive, held by ${service.holder}`);
  if (service.fallback === true) notes.push("FALLBACK, no server of the first tier is up");
  if (service.hunting) notes.push("hunting");
  if (service.conflict) notes.push("CONFLICTING CLAIMS");
  if (service.sorryServer !== undefined) notes.push(`QUORUM LOST, sorry server ${service.sorryServer}`);
  else if (service.quorum === "down") notes.push("QUORUM LOST");
  if (service.persistenceConfiguredSec !== service.persistenceProgrammedSec) {
    notes.push(`persistence ${service.persistenceConfiguredSec} s not programmed on an exclusive service`);
  } else if (service.persistenceProgrammedSec > 0) {
    notes.push(`persistent ${service.persistenceProgrammedSec} s`);
  }
  notes.push(`role_loss ${policyText(service.roleLoss)}`);
  if (!service.inSync) notes.push("NOT IN SYNC WITH THE KERNEL");
  if (service.drifts > 0) notes.push(`drift repaired ${service.drifts} times`);
  const width = Math.max(0, ...service.servers.map((server) => server.server.length));
  const servers = service.servers.map((server) => {
    const notes = `${memberNote(server)}${lossNote(server)}${overrideNote(server)}`;
    return `      ${server.server.padEnd(width)}  weight ${String(server.weight).padEnd(5)} ${server.verdict.padEnd(7)} ${server.reason}${notes}`;
  });
  return [`  ${service.service}  ${notes.join("; ")}`, ...membersLines(service), ...servers];
}

/** Where its servers come from. */
function membersLines({ members }: ServiceStatus): string[] {
  if (members === undefined) return [];
  const { known, scope, source, age, learnsAnew, problem, wrongSources } = members;
  const of = scope === undefined ? "" : ` of ${scope}`;
  const told =
    source === undefined || age === undefined
      ? "not told yet"
      : `told by ${source} ${Math.round(toSeconds(age))} s ago`;
  const pending = learnsAnew ? "; THE NEXT LIST DECIDES WHOSE CLUSTER IT IS" : "";
  const trouble = problem === undefined ? "" : `; LAST ANSWER NOT TAKEN: ${problem}`;
  return [
    `      members${of}: ${known} known, ${told}${pending}${trouble}`,
    ...wrongSources.map((each) => `      ${each.source} IS NOT BELIEVED: ${each.problem}`),
  ];
}

function policyText(policy: ServiceStatus["roleLoss"]): string {
  const deadline = policy.policy === "drain" ? policy.deadline : undefined;
  return deadline === undefined ? policy.policy : `${policy.policy} ${toSeconds(deadline)} s`;
}

function lossNote({ loss }: ServerHealth): string {
  if (loss === undefined) return "";
  if (loss.phase === "cut") return " (connections cut)";
  if (loss.connections === undefined) return " (connections not counted yet)";
  return ` (${loss.connections} connections left after ${Math.round(toSeconds(loss.age))} s)`;
}

function overrideNote({ override, weight }: ServerHealth): string {
  if (override === undefined) return "";
  const effect = override.weight === weight ? "" : ", WITHOUT EFFECT NOW";
  return ` (OVERRIDE: ${overrideText(override)}${effect})`;
}

/** ` [replica, timeline 5, lag 16 kB]`: what Patroni says of it. */
function memberNote({ role, timeline, lagBytes }: ServiceStatus["servers"][number]): string {
  if (role === undefined) return "";
  const facts = [
    role,
    ...(timeline === undefined ? [] : [`timeline ${timeline}`]),
    ...(lagBytes === undefined ? [] : [`lag ${bytesText(lagBytes)}`]),
  ];
  return ` [${facts.join(", ")}]`;
}

function eventLine(event: RecordedEvent): string {
  return `  ${time(event.atMs)}  ${event.message}`;
}
