import type { Ip } from "../../core/ip.ts";
import { absolutePath, ipAddress, type Parsed, port } from "./kinds.ts";
import type { ValueKind, ValueRow } from "./row.ts";

/** `global_defs`: where callbacks of Patroni's may say that roles have changed. */

const native = { shape: "value", status: "native", reference: "holdfast", reload: "live" } as const;

export interface KickAddress {
  readonly address: Ip;
  readonly port: number;
}

const addressAndPort: ValueKind<KickAddress> = {
  syntax: "<IPADDR> <PORT 1..65535>",
  minimumWords: 2,
  maximumWords: 2,
  parse: ([addressWord, portWord]): Parsed<KickAddress> => {
    const address = ipAddress.parse(addressWord === undefined ? [] : [addressWord]);
    if (!address.ok) return address;
    const number = port.parse(portWord === undefined ? [] : [portWord]);
    return number.ok ? { ok: true, value: { address: address.value, port: number.value } } : number;
  },
  format: ({ address, port: number }) => `${address} ${number}`,
};

export const globalKickRows = {
  kick_listen: {
    ...native,
    kind: addressAndPort,
    doc: "Answers `POST /kick` of HTTP there, for Patroni's callback `on_role_change`: every check, or those of the services named by `?service=`, asks at once. A hint that moves nothing by itself (docs/patroni.md). Not written: nobody listens, and `holdfast kick` alone does it.",
    example: "kick_listen 10.0.2.1 8009",
  } satisfies ValueRow<KickAddress>,
  kick_token_file: {
    ...native,
    kind: absolutePath("/etc/holdfast/kick.token"),
    doc: "File with the secret that a kick must bring (`Authorization: Bearer ...`): one line of 16 to 255 printable characters, not readable by everybody. Read again at a reload.",
    example: "kick_token_file /etc/holdfast/kick.token",
  } satisfies ValueRow<string>,
} as const;
