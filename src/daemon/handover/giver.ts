import { HoldfastError } from "../../core/errors.ts";
import type { GuardStatus } from "../../workers/vrrp/handle.types.ts";
import type { Daemon } from "../daemon.ts";
import { type FromPredecessor, type FromSuccessor, HANDOVER_VERSION, type Peer, sameRouters } from "./protocol.ts";

/** A successor starts, checks every server once and hears every tracker: seconds, on a slow host many. */
const READY_MS = 90_000;
/** From here the guard watches the successor; this is only how long we stay to see it. */
const ADOPTED_MS = 30_000;

export interface Successor extends Peer<FromPredecessor, FromSuccessor> {
  readonly processId: number;
  kill(): void;
  /** Lets it live on without us. */
  leave(): void;
}

export interface GiverModules {
  readonly daemon: Daemon;
  readonly startSuccessor: (program: string | undefined, guard: number) => Successor;
  readonly guard: () => (GuardStatus & { readonly descriptor: number }) | undefined;
  /** Frees control socket and metrics port, and keeps the connections that are open. */
  readonly stopListening: () => Promise<void>;
  /** sd_notify(3) */
  readonly notify: (state: string) => void;
}

export type HandoverResult =
  | { readonly ok: true; readonly processId: number }
  /** `surrendered`: this daemon has fallen silent already. */
  | { readonly ok: false; readonly surrendered: boolean; readonly message: string };

/** Starts the successor and leaves everything to it. Refused, or given up before the surrender: this daemon goes on. */
export async function giveOver(program: string | undefined, modules: GiverModules): Promise<HandoverResult> {
  const { daemon } = modules;
  // So that both have the same file before their eyes; one that cannot be taken is no reason to lose the daemon.
  const reloaded = await daemon.reload();
  if (!reloaded.ok) return { ok: false, surrendered: false, message: reloaded.message };
  daemon.refuseReloads("a handover is under way, to a process that has read the file already");
  try {
    return await giveToSuccessor(program, modules);
  } finally {
    daemon.refuseReloads(undefined);
  }
}

async function giveToSuccessor(program: string | undefined, modules: GiverModules): Promise<HandoverResult> {
  const { daemon } = modules;
  const guard = modules.guard();
  if (guard === undefined)
    return { ok: false, surrendered: false, message: "there is no guard now that could protect the switch" };
  const { descriptor, ...status } = guard;
  const successor = modules.startSuccessor(program, descriptor);
  try {
    successor.send({ kind: "offer", version: HANDOVER_VERSION, guard: status });
    await expectReady(successor, daemon);
    if (modules.guard()?.processId !== guard.processId) {
      throw new HoldfastError("handoverFailed", "the guard was replaced meanwhile; try again");
    }
    await daemon.surrender(successor.processId, (surrender) => successor.send({ kind: "surrender", surrender }));
  } catch (error) {
    successor.kill();
    if (!(error instanceof HoldfastError)) throw error;
    return { ok: false, surrendered: false, message: error.message };
  }
  return await complete(successor, modules);
}

async function expectReady(successor: Successor, daemon: Daemon): Promise<void> {
  const answer = await successor.next(READY_MS);
  if (answer.kind === "refused") throw new HoldfastError("handoverFailed", answer.message);
  if (answer.kind !== "ready") throw new HoldfastError("handoverFailed", `the successor said ${answer.kind} too early`);
  if (!sameRouters(answer.routers, daemon.routers())) {
    throw new HoldfastError("handoverFailed", "the successor reads other virtual routers from the configuration");
  }
}

/** There is no way back: whatever happens, this daemon ends (`surrendered` of the result). */
async function complete(successor: Successor, { stopListening, notify }: GiverModules): Promise<HandoverResult> {
  try {
    await successor.next(ADOPTED_MS);
    notify(`MAINPID=${successor.processId}`);
    await stopListening();
    successor.send({ kind: "yours" });
    await successor.next(ADOPTED_MS);
    successor.leave();
    return { ok: true, processId: successor.processId };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return {
      ok: false,
      surrendered: true,
      message: `after the switch: ${error.message}; the guard watches the successor`,
    };
  }
}
