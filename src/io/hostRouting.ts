import type { NetlinkMessage } from "../wire/netlink/message.ts";
import {
  decodeRoute,
  decodeRule,
  encodeDeleteRoute,
  encodeDeleteRule,
  encodeGetRoutes,
  encodeGetRules,
  encodeNewRoute,
  encodeNewRule,
  isRequestedRoute,
  isRequestedRule,
  type ListedRoute,
  listedRoute,
  listedRule,
  type RouteMode,
  type RouteRequest,
  RTM,
  RTNLGRP,
  RTPROT,
  type RuleRequest,
} from "../wire/netlink/rtnl.ts";
import { errnoName, loadAddon } from "./addon.ts";
import type { NativeAddon } from "./addon.types.ts";
import type { OperationOutcome } from "./hostNetwork.ts";
import { LINUX } from "./linux.ts";
import { NetlinkNotifications } from "./netlinkNotifications.ts";
import { type MessageOutcome, NetlinkError, NetlinkSocket, understood } from "./netlinkSocket.ts";

/** A route or a rule. */
export type RoutingRequest =
  | { readonly kind: "route"; readonly route: RouteRequest }
  | { readonly kind: "rule"; readonly rule: RuleRequest };

export type RoutingOperation = RoutingRequest &
  ({ readonly action: "add"; readonly mode: RouteMode } | { readonly action: "delete" });

/** The host's routes and rules over rtnetlink, synchronously; one for each thread that needs it. */
export class HostRouting {
  readonly #addon: NativeAddon;
  readonly #socket: NetlinkSocket;
  readonly #notifications: NetlinkNotifications[] = [];

  constructor(addon: NativeAddon = loadAddon()) {
    this.#addon = addon;
    this.#socket = new NetlinkSocket({ protocol: LINUX.NETLINK_ROUTE, narrowDumps: true }, { addon });
  }

  /**
   * In order; one outcome for each. Codes: EEXIST, ESRCH (no such route), ENOENT (no such rule), ENETUNREACH (no way to the
   * gateway), ENETDOWN, EINVAL.
   */
  apply(operations: readonly RoutingOperation[]): OperationOutcome[] {
    const { outcomes } = this.#socket.applyBatch((writer) => {
      for (const operation of operations) {
        const add = operation.action === "add";
        if (operation.kind === "rule") {
          if (add) encodeNewRule(writer, operation.rule);
          else encodeDeleteRule(writer, operation.rule);
        } else if (add) encodeNewRoute(writer, operation.route, operation.mode);
        else encodeDeleteRoute(writer, operation.route);
      }
    });
    return outcomes.map(outcomeOf);
  }

  /** Which of these the kernel has now; one answer for each. Reads only the tables and protocols that are asked for. */
  find(wanted: readonly RoutingRequest[]): boolean[] {
    const routes = new Map<string, readonly ListedRoute[]>();
    let rules: readonly RuleRequest[] | undefined;
    return wanted.map((request) => {
      if (request.kind === "rule") {
        rules ??= this.#listRules();
        return rules.some((rule) => isRequestedRule(request.rule, rule));
      }
      const { family, table, protocol } = request.route;
      const key = `${family} ${table} ${protocol}`;
      const listed = routes.get(key) ?? this.#listRoutes(request.route);
      routes.set(key, listed);
      return listed.some((route) => isRequestedRoute(request.route, route));
    });
  }

  /**
   * Tells that routes or rules changed, on this thread's loop; `overrun`: some notifications were lost. Routes that the
   * kernel makes for addresses are not told.
   */
  watch(on: {
    readonly changed: () => void;
    readonly overrun: () => void;
    readonly error: (error: Error) => void;
  }): void {
    this.#notifications.push(
      new NetlinkNotifications(
        {
          protocol: LINUX.NETLINK_ROUTE,
          groups: [RTNLGRP.ipv4Route, RTNLGRP.ipv6Route, RTNLGRP.ipv4Rule, RTNLGRP.ipv6Rule],
          onMessages: (messages) => {
            if (!messages.every(isKernelsOwn)) on.changed();
          },
          onLost: () => on.overrun(),
          onError: on.error,
        },
        { addon: this.#addon },
      ),
    );
  }

  close(): void {
    this.#socket.close();
    for (const notifications of this.#notifications) notifications.close();
  }

  #listRoutes({ family, table, protocol }: RouteRequest): ListedRoute[] {
    try {
      return this.#socket
        .dump((writer) => encodeGetRoutes(writer, { family, table, protocol }))
        .map((message) => listedRoute(understood(decodeRoute(message))))
        .filter((route) => route !== undefined);
    } catch (error) {
      // A table comes into being with its first route.
      if (
        error instanceof NetlinkError &&
        error.errno !== undefined &&
        errnoName(error.errno, this.#addon) === "ENOENT"
      ) {
        return [];
      }
      throw error;
    }
  }

  #listRules(): RuleRequest[] {
    return this.#socket
      .dump(encodeGetRules)
      .map((message) => listedRule(understood(decodeRule(message))))
      .filter((rule) => rule !== undefined);
  }
}

function outcomeOf(outcome: MessageOutcome): OperationOutcome {
  if (outcome.kind === "applied") return { ok: true };
  return { ok: false, code: outcome.kind === "failed" ? outcome.code : "unknown" };
}

/** The kernel makes and removes routes with every address: a VIP's lease comes and goes with two of them. */
function isKernelsOwn(message: NetlinkMessage): boolean {
  if (message.type !== RTM.newRoute && message.type !== RTM.deleteRoute) return false;
  const route = decodeRoute(message);
  return route.ok && route.value.protocol === RTPROT.kernel;
}
