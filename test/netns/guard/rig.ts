/**
 * A daemon that is nothing but the ward of a real guard: `node rig.js RUN_DIRECTORY [GUARD]` in a namespace with eth0. It prints a
 * JSON object a line, and obeys JSON commands on its standard input. What it would never do by itself, a test does to it.
 */
import { createInterface } from "node:readline";
import { ip } from "../../../src/core/ip.ts";
import { loadAddon } from "../../../src/io/addon.ts";
import { GuardProcess } from "../../../src/io/guardProcess.ts";
import { adoptGuardSocket } from "../../../src/io/guardSocket.ts";
import { inetAddress, sendControl } from "../../../src/io/sockaddr.ts";
import {
  beatFrame,
  decodeAnswer,
  encodeFrame,
  encodeWill,
  type WillItem,
  wardFrame,
  willFrames,
  writerFrame,
} from "../../../src/wire/guard.ts";
import { encodeIpv4 } from "../../../src/wire/ipv4.ts";
import { encodeDeleteAddress } from "../../../src/wire/netlink/rtnl.ts";
import { MessageWriter } from "../../../src/wire/netlink/writer.ts";

export type RigCommand =
  /** A will that deletes these addresses of eth0 (index) and sends one advert of priority 0. */
  | {
      readonly command: "arm";
      readonly addresses: readonly string[];
      readonly linkIndex: number;
      readonly source: string;
      readonly limitMs: number;
    }
  | { readonly command: "armNothing"; readonly limitMs: number }
  | { readonly command: "beat"; readonly everyMs: number }
  | { readonly command: "extend"; readonly ms: number }
  | { readonly command: "ward"; readonly processId: number }
  /** Any frame, right or wrong. */
  | { readonly command: "frame"; readonly type: number; readonly payloadHex: string }
  | { readonly command: "goodbye" }
  /** Says that its main thread writes the addresses. */
  | { readonly command: "writer" }
  /** Closes the socket and lives on. */
  | { readonly command: "disconnect" };

const print = (event: string, fields: object = {}): void => {
  process.stdout.write(`${JSON.stringify({ event, ...fields })}\n`);
};

/** VRRPv2, VRID 1, priority 0, no address: checksum 0xdefe - what it says is of no interest to the guard. */
const ADVERT = Buffer.from("2101000000010000" + "0000000000000000", "hex");

function willOf(options: Extract<RigCommand, { command: "arm" }>): WillItem[] {
  const writer = new MessageWriter(65_536);
  for (const address of options.addresses) {
    encodeDeleteAddress(writer, { ip: ip(address), prefixLength: 32, linkIndex: options.linkIndex });
  }
  const destination = ip("224.0.0.18");
  const header = { typeOfService: 0xc0, identification: 0, fragment: 0, timeToLive: 255, protocol: 112 };
  return [
    { kind: "netlink", address: new Uint8Array(), control: new Uint8Array(), data: Uint8Array.from(writer.bytes) },
    {
      kind: "ipv4",
      address: inetAddress(destination),
      control: sendControl({ interfaceIndex: options.linkIndex, source: ip(options.source) }),
      data: encodeIpv4({ ...header, source: ip(options.source), destination }, ADVERT),
    },
  ];
}

const addon = loadAddon();
/** Another build of it, with the compiler's checks. */
const program = process.argv[3];
const guard = await GuardProcess.start(
  { runDirectory: process.argv[2] ?? ".", wardProcessId: process.pid, ...(program === undefined ? {} : { program }) },
  { addon, onEnd: (cause) => print("guardEnded", { cause }) },
);
print("hello", { ...guard.hello });
const socket = adoptGuardSocket(addon, guard.descriptor);
socket.startReceiving(
  8,
  65_536,
  (messages) => {
    for (const { data } of messages) {
      const answer = decodeAnswer(data);
      print("answer", answer.ok ? { ...answer.value } : { undecodable: answer.error });
    }
  },
  (error) => print("socketError", { code: error.code }),
);
const send = (frame: Uint8Array): void => void socket.send(frame, 0, frame.length, undefined);
let sequence = 0;
const arm = (will: Uint8Array, limitMs: number): void => {
  for (const frame of willFrames(will, limitMs, ++sequence)) send(frame);
};
let beating: NodeJS.Timeout | undefined;

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line) as RigCommand;
  switch (command.command) {
    case "arm":
      return arm(encodeWill(willOf(command)) ?? new Uint8Array(), command.limitMs);
    case "armNothing":
      return arm(new Uint8Array(), command.limitMs);
    case "beat":
      clearInterval(beating);
      if (command.everyMs > 0) beating = setInterval(() => send(beatFrame()), command.everyMs);
      return;
    case "extend":
      return guard.extend(command.ms);
    case "ward":
      return send(wardFrame(command.processId, ++sequence));
    case "frame":
      return send(encodeFrame(command.type, ++sequence, Buffer.from(command.payloadHex, "hex")));
    case "writer":
      send(writerFrame(addon.threadId()));
      return print("writerTold");
    case "goodbye":
      return void guard.goodbye().then(() => print("goodbyeDone"));
    case "disconnect":
      socket.close();
      return guard.disconnect();
  }
});
