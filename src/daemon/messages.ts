import { assertNever } from "../core/errors.ts";
import { toSeconds } from "../core/units.ts";
import type { HealthEvent } from "../health/types.ts";
import type { Transition, TransitionReason, VrrpAlarm } from "../vrrp/types.ts";
import type { GroupTransition } from "../workers/vrrp/handle.types.ts";
import type { WorkerAlarm } from "../workers/vrrp/protocol.ts";

/** One sentence for each reason of a transition; programs use the reason itself. */
export const REASON_WORDS: Readonly<Record<TransitionReason, string>> = {
  started: "started, listens for a master",
  startedAsOwner: "started as the owner of the addresses (priority 255)",
  masterDown: "no master was heard within the master-down interval",
  masterResigned: "the master resigned (priority 0)",
  lowerPriorityHeard: "a master with lower priority was heard and we preempt",
  higherPriorityHeard: "a master with higher priority was heard",
  equalPriorityHigherAddress: "a master with equal priority and higher address was heard",
  pausedTooLong: "this process was paused for longer than the master-down interval; it listens first",
  interfaceMissing: "its interface does not exist",
  interfaceDown: "its interface is down or has no carrier",
  noPrimaryAddress: "its interface has no address to send from",
  sourceAddressMissing: "the configured source address is not on this host",
  noUnicastPeer: "it is unicast and has no peer",
  trackedInterfaceDown: "a tracked interface is down",
  trackedScriptFailed: "a tracked script fails",
  trackedFileFault: "a tracked file says so",
  trackedProcessFault: "a tracked process is not as it should be",
  staticAddressLost: "a static address that it needs is lost",
  addressesTakenByOthers: "somebody else removes its addresses again and again",
  trackersRecovered: "nothing that it tracks fails any more",
  groupMaster: "every member of its sync group is ready to be master",
  groupBackup: "another member of its sync group yielded",
  groupFault: "another member of its sync group is in FAULT",
  groupRecovered: "no member of its sync group is in FAULT any more",
  addressesNotAdded: "the kernel refused the addresses",
  advertsNotSent: "its adverts cannot be sent",
  triedAgain: "it tries again after a fault of its own",
  interfaceRecovered: "its interface is usable again",
  stopped: "holdfast stops",
};

/** A timer this late is worth a word: the thread was kept from running. */
const LATENESS_TOLD_US = 1_000;

export function describeTransition(instance: string, transition: Transition): string {
  const { evidence } = transition;
  const facts = [`own priority ${evidence.ownPriority}`];
  if (evidence.peer !== undefined) facts.push(`peer ${evidence.peer}`);
  if (evidence.peerPriority !== undefined) facts.push(`its priority ${evidence.peerPriority}`);
  if (evidence.detail !== undefined) facts.push(evidence.detail);
  if (evidence.latenessUs !== undefined && evidence.latenessUs >= LATENESS_TOLD_US)
    facts.push(`${(evidence.latenessUs / 1_000).toFixed(1)} ms late`);
  return `${instance}: ${transition.from} -> ${transition.to}: ${REASON_WORDS[transition.reason]} (${facts.join(", ")})`;
}

export function describeGroupTransition(group: string, { from, to, reason }: GroupTransition): string {
  return `${group}: ${from} -> ${to}: ${REASON_WORDS[reason]}`;
}

export function describeVrrpAlarm(instance: string, alarm: VrrpAlarm | WorkerAlarm): string {
  switch (alarm.kind) {
    case "addressListMismatch":
      return `${instance}: ${alarm.peer} advertises other addresses (${alarm.addresses.join(", ") || "none"}); make both configurations list the same`;
    case "advertIntervalMismatch":
      return `${instance}: ${alarm.peer} advertises every ${toSeconds(alarm.advertInterval)} s, not as configured here (version 2 discards them, RFC 3768 7.1; version 3 adapts)`;
    case "versionMismatch":
      return `${instance}: ${alarm.peer} speaks VRRP version ${alarm.version}, not as configured here; its adverts are discarded`;
    case "secondOwner":
      return `${instance}: ${alarm.peer} claims to be the owner (priority 255) as well`;
    case "addressRemovedByOthers":
      return `${instance}: somebody removed ${alarm.address} from ${alarm.device}; it is put back`;
    case "addressOperationFailed":
      return `${instance}: ${alarm.address} on ${alarm.device}: ${alarm.detail}`;
    case "sendFailed":
      return `${instance}: an advert could not be sent: ${alarm.detail}`;
    case "netlinkOverrun":
      return `${instance}: the kernel dropped notifications; interfaces and addresses were read again`;
    case "ownSourceHeard":
      return `${instance}: somebody else sends adverts with our source address ${alarm.source}${alarm.hardwareAddress === undefined ? "" : ` (from ${alarm.hardwareAddress})`}; find the duplicate address`;
    case "foreignArpAnswer":
      return `${instance}: ${alarm.hardwareAddress} answers ARP for ${alarm.address}, which is ours while we are MASTER`;
    case "foreignNeighborAdvertisement":
      return `${instance}: ${alarm.hardwareAddress} advertises itself as ${alarm.address} (ICMPv6), which is ours while we are MASTER`;
    case "hostOperationFailed":
      return `${instance}: ${alarm.what}: ${alarm.detail}`;
    default:
      return assertNever(alarm);
  }
}

export function describeHealthEvent(event: HealthEvent): string {
  switch (event.kind) {
    case "verdict":
      return `${event.service}: ${event.server} ${event.from} -> ${event.to}: ${event.reason}`;
    case "checkedWeight":
      return `${event.service}: weight of ${event.server} by its checks ${event.from} -> ${event.to}: ${event.reason}`;
    case "checkFailed":
      return `${event.service}: ${event.server} stays up, but a check failed: ${event.reason}`;
    case "holder": {
      const nobody = event.shared === true ? "all servers that are up" : "nobody";
      return `${event.service}: connections go to ${event.to ?? nobody} (before: ${event.from ?? nobody}): ${event.reason}`;
    }
    case "conflict":
      return `${event.service}: ${event.claimants.join(" and ")} both claim the role: ${event.decision}`;
    case "conflictEnded":
      return `${event.service}: the conflict of claims has ended`;
    case "quorum":
      return `${event.service}: quorum ${event.to}: weight ${event.weight} of the servers that are up, ${event.needed} needed`;
    case "roleLoss":
      return `${event.service}: ${event.server} ${event.what}`;
    case "override":
      return `${event.target}: ${event.to}, by an operator (${event.reason})`;
    case "fallback":
      return `${event.service}: fallback ${event.phase}: ${event.reason}`;
    case "members":
      return `${event.service}: ${event.what}`;
    case "kick": {
      const { services, asked, later } = event;
      const waits = later === 0 ? "" : `, ${later} more within a second`;
      return `${services?.join(", ") ?? "all services"}: ${asked} checks ask at once${waits}: kicked by ${event.source}`;
    }
    case "hunt":
      return `${event.service}: hunt for the role's holder ${event.phase}: ${event.reason}`;
    default:
      return assertNever(event);
  }
}
