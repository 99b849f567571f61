import { HoldfastError } from "../../core/errors.ts";
import type { Surrender } from "../../workers/vrrp/protocol.ts";
import type { Daemon } from "../daemon.ts";
import { type FromPredecessor, type FromSuccessor, HANDOVER_VERSION, type Peer } from "./protocol.ts";

const OFFER_MS = 30_000;
/** The predecessor surrenders as soon as it reads that we are ready, or ends us. */
const SURRENDER_MS = 30_000;
const YOURS_MS = 30_000;

export interface Predecessor extends Peer<FromSuccessor, FromPredecessor> {
  leave(): void;
}

/** What the predecessor offers. Throws HoldfastError for another protocol's version. */
export async function takeOffer(predecessor: Predecessor): Promise<Extract<FromPredecessor, { kind: "offer" }>> {
  const offer = await predecessor.next(OFFER_MS);
  if (offer.kind !== "offer") throw new HoldfastError("handoverFailed", `the predecessor said ${offer.kind} first`);
  if (offer.version !== HANDOVER_VERSION) {
    const message = `the running daemon hands over by version ${offer.version}, this one takes over by ${HANDOVER_VERSION}`;
    throw new HoldfastError("handoverFailed", message, "restart the service instead");
  }
  return offer;
}

/** Stands by until the predecessor has surrendered. When it ends before that, its guard has done the rest: throws HoldfastError. */
export async function standBy(predecessor: Predecessor, daemon: Daemon): Promise<Surrender> {
  await daemon.standBy();
  predecessor.send({ kind: "ready", routers: daemon.routers() });
  const said = await predecessor.next(SURRENDER_MS);
  if (said.kind !== "surrender")
    throw new HoldfastError("handoverFailed", `the predecessor said ${said.kind} too early`);
  return said.surrender;
}

/** Goes on in its place; `listen` opens what only one of both can have. A predecessor that dies meanwhile changes nothing. */
export async function takeOver(
  surrender: Surrender,
  modules: { readonly predecessor: Predecessor; readonly daemon: Daemon; readonly listen: () => Promise<void> },
): Promise<void> {
  const { predecessor, daemon, listen } = modules;
  await daemon.adopt(surrender);
  predecessor.send({ kind: "adopted" });
  try {
    await predecessor.next(YOURS_MS);
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
  }
  await listen();
  predecessor.send({ kind: "listening" });
  predecessor.leave();
}
