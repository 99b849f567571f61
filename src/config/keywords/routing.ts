import {
  type RuleLine,
  staticRuleLine,
  staticRuleOptions,
  virtualRuleLine,
  virtualRuleOptions,
} from "./policyRules.ts";
import { staticRouteOptions, virtualRouteOptions } from "./routeOptions.ts";
import { type RouteLine, staticRouteLine, virtualRouteLine } from "./routes.ts";
import { type LinesRow, MAN } from "./row.ts";

/** Blocks of routes and rules. */

const lines = { shape: "lines", status: "implemented", reference: MAN, reload: "live" } as const;

export const virtualRoutingRows = {
  virtual_routes: {
    ...lines,
    line: virtualRouteLine,
    lineTable: virtualRouteOptions,
    lineExample: "192.168.110.0/24 via 192.168.200.254 dev eth1",
    doc: "Routes of the master, one a line: added when it becomes MASTER, put back when others delete them, removed when it ceases to be.",
    example: "virtual_routes {\n  192.168.110.0/24 via 192.168.200.254 dev eth1\n}",
  } satisfies LinesRow<RouteLine>,
  virtual_rules: {
    ...lines,
    line: virtualRuleLine,
    lineTable: virtualRuleOptions,
    lineExample: "from 192.168.2.0/24 table 1 preference 100",
    doc: "Policy rules of the master, one a line.",
    example: "virtual_rules {\n  from 192.168.2.0/24 table 1 preference 100\n}",
  } satisfies LinesRow<RuleLine>,
} as const;

export const staticRoutingRows = {
  static_routes: {
    ...lines,
    line: staticRouteLine,
    lineTable: staticRouteOptions,
    lineExample: "192.168.2.0/24 via 192.168.1.100 dev eth0",
    doc: "Routes that are added at the start and stay on the host.",
    example: "static_routes {\n  192.168.2.0/24 via 192.168.1.100 dev eth0\n}",
  } satisfies LinesRow<RouteLine>,
  static_rules: {
    ...lines,
    line: staticRuleLine,
    lineTable: staticRuleOptions,
    lineExample: "from 192.168.2.0/24 table 1 preference 100",
    doc: "Policy rules that are added at the start and stay on the host.",
    example: "static_rules {\n  from 192.168.2.0/24 table 1 preference 100\n}",
  } satisfies LinesRow<RuleLine>,
} as const;
