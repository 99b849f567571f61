import { expect, test } from "vitest";
import { decodeProcessEvents, encodeProcessEvents } from "../../src/wire/netlink/connector.ts";

/** Received from Linux 6.18 by a C program that had sent PROC_CN_MCAST_LISTEN. */
const HEADER = "4c00000003000000000000000000000001000000010000000000000001000000" + "28000000";
const FORK = `${HEADER}010000000000000077ca789c7c010000825500008255000083550000835500000000000000000000`;
const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

test("the answer to LISTEN and an exec, as the kernel sent them", () => {
  const answer = `${HEADER}00000000${"0d000000"}bf32947c01000000${"00".repeat(24)}`;
  expect(decodeProcessEvents(hex(answer))).toEqual([{ kind: "listening", error: 0 }]);
  const exec = `${HEADER}02000000010000007b2b2f9e7c010000${"8355000083550000"}${"00".repeat(16)}`;
  expect(decodeProcessEvents(hex(exec))).toEqual([{ kind: "exec", process: 0x5583 }]);
});

test("a fork is told of processes, not of threads", () => {
  expect(decodeProcessEvents(hex(FORK))).toEqual([{ kind: "fork", parent: 0x5582, child: 0x5583 }]);
  const thread = FORK.replace("8355000083550000", "8355000082550000");
  expect(decodeProcessEvents(hex(thread))).toEqual([]);
});

test("an exit is told of processes, a name is cut at its zero", () => {
  const exit = `${HEADER}000000800100000072b6109d7c010000${"8255000082550000"}00110000${"00".repeat(12)}`;
  expect(decodeProcessEvents(hex(exit))).toEqual([{ kind: "exit", process: 0x5582 }]);
  const comm = `${HEADER}000200000100000072b6109d7c010000${"8255000082550000"}${"6e67696e78"}00${"78".repeat(10)}`;
  expect(decodeProcessEvents(hex(comm))).toEqual([{ kind: "comm", process: 0x5582, name: "nginx" }]);
});

test("cut short anywhere, or of another connector, nothing is read", () => {
  for (let length = 0; length < FORK.length; length += 2) {
    expect(decodeProcessEvents(hex(FORK.slice(0, length)))).toEqual([]);
  }
  expect(decodeProcessEvents(hex(FORK.replace("0100000001000000", "0200000001000000")))).toEqual([]);
});

test("LISTEN as a C program encodes it", () => {
  expect(Buffer.from(encodeProcessEvents(true, 0x1234)).toString("hex")).toBe(
    "280000000300000000000000341200000100000001000000000000000000000004000000" + "01000000",
  );
  expect(Buffer.from(encodeProcessEvents(false, 0)).toString("hex").slice(-8)).toBe("02000000");
});
