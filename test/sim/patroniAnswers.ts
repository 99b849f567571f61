import { type DurationUs, milliseconds } from "../../src/core/units.ts";
import type { ProbeFailure } from "../../src/health/types.ts";
import type { Reply } from "./healthRig.ts";

export interface BodyFields {
  readonly role?: string;
  readonly state?: string;
  readonly timeline?: number;
  readonly system?: string;
  readonly pause?: boolean;
  readonly unlocked?: boolean;
  readonly scope?: string;
  /** Where a primary writes, and what a replica has replayed. */
  readonly position?: number | undefined;
  readonly more?: object;
}

/** A status body as Patroni 3 and 4 send it. */
export function patroniBody(fields: BodyFields): string {
  const {
    role = "primary",
    state = "running",
    timeline = 5,
    system = "7301",
    pause,
    unlocked,
    scope = "demo",
    position = 67_108_960,
    more = {},
  } = fields;
  const replayed = {
    received_location: position,
    replayed_location: position,
    replayed_timestamp: null,
    paused: false,
  };
  return JSON.stringify({
    state,
    postmaster_start_time: "2026-11-24 00:00:00.000000+00:00",
    role,
    server_version: 150005,
    xlog: role === "replica" || role === "standby_leader" ? replayed : { location: position },
    timeline,
    ...(pause === true ? { pause } : {}),
    ...(unlocked === true ? { cluster_unlocked: true } : {}),
    dcs_last_seen: 1795478400,
    database_system_identifier: system,
    patroni: { version: "3.0.2", scope },
    ...more,
  });
}

const RTT = milliseconds(2);

export function answer(status: number, body: string, path = "/primary", after: DurationUs = RTT): Reply {
  return { outcome: { kind: "answered", answers: [{ path, status, body, bodyTruncated: false }] }, after };
}

/** 200 with the body of a primary. */
export const leads = (fields: BodyFields = {}, after: DurationUs = RTT): Reply =>
  answer(200, patroniBody(fields), "/primary", after);

/** 503 with the body of a replica. */
export const follows = (fields: BodyFields = {}, after: DurationUs = RTT): Reply =>
  answer(503, patroniBody({ role: "replica", ...fields }), "/primary", after);

export function fails(kind: ProbeFailure, after: DurationUs = RTT): Reply {
  return { outcome: { kind, detail: "" }, after };
}
