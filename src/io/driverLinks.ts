import { decodeLinkState, ETHTOOL_FAMILY_NAME, encodeGetLinkState } from "../wire/netlink/ethtool.ts";
import { decodeFamily, encodeGetFamily } from "../wire/netlink/genl.ts";
import type { NativeAddon } from "./addon.types.ts";
import { LINUX } from "./linux.ts";
import { NetlinkError, NetlinkSocket } from "./netlinkSocket.ts";

/** Adverts wait for the answer: a driver that takes longer cannot tell. */
const ANSWER_MS_MAX = 20;

/** What drivers say of their links when they are asked, for those that tell no changes. Its socket is opened with the first question. */
export class DriverLinks {
  readonly #addon: NativeAddon;
  #open: { readonly socket: NetlinkSocket; readonly familyId: number | undefined } | undefined;

  constructor(addon: NativeAddon) {
    this.#addon = addon;
  }

  /**
   * Undefined where the kernel (before Linux 5.6) or the driver cannot tell, where there is no such interface, and where the
   * answer was lost: then what rtnetlink shows stands alone. Throws NativeError when no socket can be opened.
   */
  hasLink(interfaceIndex: number): boolean | undefined {
    this.#open ??= this.#connect();
    const { socket, familyId } = this.#open;
    if (familyId === undefined) return undefined;
    const [answer] = answersTo(() => socket.request((writer) => encodeGetLinkState(writer, familyId, interfaceIndex)));
    const state = answer === undefined ? undefined : decodeLinkState(answer);
    return state?.ok === true ? state.value : undefined;
  }

  close(): void {
    this.#open?.socket.close();
  }

  #connect(): { readonly socket: NetlinkSocket; readonly familyId: number | undefined } {
    const socket = new NetlinkSocket(
      { protocol: LINUX.NETLINK_GENERIC, timeoutMs: ANSWER_MS_MAX },
      { addon: this.#addon },
    );
    const [answer] = answersTo(() => socket.request((writer) => encodeGetFamily(writer, ETHTOOL_FAMILY_NAME)));
    const family = answer === undefined ? undefined : decodeFamily(answer);
    return { socket, familyId: family?.ok === true ? family.value.id : undefined };
  }
}

/** None where the question was refused or its answer lost. */
function answersTo<Answer>(ask: () => Answer[]): Answer[] {
  try {
    return ask();
  } catch (error) {
    if (error instanceof NetlinkError) return [];
    throw error;
  }
}
