import { execFile } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";
import { errnoName, isNativeError, loadAddon } from "../../src/io/addon.ts";
import type { NativeSocket, NativeTimer, ReceivedMessage } from "../../src/io/addon.types.ts";
import { LINUX } from "../../src/io/linux.ts";
import { sdNotify } from "../../src/io/sdNotify.ts";
import { decodeUnixAddress, intOption, unixAddress } from "../../src/io/sockaddr.ts";
import { waitFor } from "../lab/wait.ts";
import { openDescriptors } from "./native/descriptors.ts";

const run = promisify(execFile);
const addon = loadAddon();
const open: { close(): void }[] = [];
let names = 0;

afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** A unix datagram socket with a name of its own in the abstract namespace. */
function namedSocket(): { readonly socket: NativeSocket; readonly name: string } {
  names += 1;
  const name = `@hf-native-${process.pid}-${names}`;
  const socket = addon.openSocket(LINUX.AF_UNIX, LINUX.SOCK_DGRAM, 0);
  open.push(socket);
  socket.bind(unixAddress(name));
  return { socket, name };
}

function timer(onExpired: () => void): NativeTimer {
  const opened = addon.openTimer(onExpired);
  open.push(opened);
  return opened;
}

const unexpected = (error: Error): never => {
  throw error;
};

function caught(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("it was accepted");
}

describe("errors", () => {
  test("carry the errno's name and number and the system call", () => {
    const { socket, name } = namedSocket();
    const second = addon.openSocket(LINUX.AF_UNIX, LINUX.SOCK_DGRAM, 0);
    open.push(second);
    const error = caught(() => second.bind(unixAddress(name)));
    expect(error).toMatchObject({ code: "EADDRINUSE", errno: 98, syscall: "bind" });
    expect(isNativeError(error, "EADDRINUSE")).toBe(true);
    expect(isNativeError(error, "EPERM")).toBe(false);
    expect(isNativeError(new Error("another"))).toBe(false);
    expect(String(error)).toContain("Address already in use");
    expect(caught(() => socket.send(Buffer.of(1), 0, 1, unixAddress("@hf-native-nobody")))).toMatchObject({
      code: "ECONNREFUSED",
      syscall: "sendmsg",
    });
    expect(caught(() => addon.openSocket(LINUX.AF_NETLINK, LINUX.SOCK_RAW, 200))).toMatchObject({
      code: "EPROTONOSUPPORT",
      syscall: "socket",
    });
    expect(caught(() => socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_RCVBUF, Buffer.of(1)))).toMatchObject({
      code: "EINVAL",
      syscall: "setsockopt",
    });
    expect(caught(() => addon.enterNetworkNamespace("/nowhere"))).toMatchObject({ code: "ENOENT", syscall: "open" });
    expect(caught(() => addon.enterNetworkNamespace("/dev/null"))).toMatchObject({ code: "EINVAL", syscall: "setns" });
  });

  test("names of numbers", () => {
    expect(errnoName(17, addon)).toBe("EEXIST");
    expect(errnoName(99, addon)).toBe("EADDRNOTAVAIL");
    expect(errnoName(4000, addon)).toBe("E4000");
  });

  test("arguments that do not fit are a TypeError and touch nothing", () => {
    const { socket } = namedSocket();
    const data = Buffer.alloc(4);
    const calls: (() => unknown)[] = [
      () => addon.openSocket(-1, 0, 0),
      () => addon.openSocket(1.5, 0, 0),
      () => socket.send(data, 5, 0, undefined),
      () => socket.send(data, 2, 3, undefined),
      () => socket.send(data, -1, 1, undefined),
      () => socket.send("text" as never, 0, 1, undefined),
      () => socket.send(new Uint16Array(4) as never, 0, 1, undefined),
      () => socket.receive(0, 1),
      () => socket.receive(1025, 1),
      () => socket.receive(1, (1 << 20) + 1),
      () => socket.receive(1024, 1 << 20),
      () => socket.waitReadable(-1),
      () => socket.startReceiving(1, 1, undefined as never, () => {}),
      () => addon.openTimer("no function" as never),
      () => timer(() => {}).arm(Number.NaN),
      () => addon.setRealtime(0),
      () => addon.setRealtime(100),
      () => addon.enterNetworkNamespace("/run\0/x"),
      () => addon.lockFile(-1),
    ];
    for (const call of calls) expect(caught(call)).toSatisfy((e) => e instanceof TypeError || e instanceof RangeError);
  });
});

describe("datagrams", () => {
  test("are received in batches, in order, each with its sender, cut to the given size", () => {
    const a = namedSocket();
    const b = namedSocket();
    const total = 10; // Below net.unix.max_dgram_qlen.
    for (let i = 0; i < total; i++) a.socket.send(Buffer.of(9, i, 200 + i), 1, 2, unixAddress(b.name));
    const first = b.socket.receive(4, 100);
    const rest = b.socket.receive(64, 1);
    expect(first.map(({ data }) => [...data])).toEqual([0, 1, 2, 3].map((i) => [i, 200 + i]));
    expect(first.every(({ from }) => decodeUnixAddress(from) === a.name)).toBe(true);
    expect(first.every(({ flags }) => flags === 0)).toBe(true);
    expect(rest.map(({ data }) => [...data])).toEqual([4, 5, 6, 7, 8, 9].map((i) => [i]));
    expect(rest.every(({ flags }) => flags === LINUX.MSG_TRUNC)).toBe(true);
    expect(b.socket.receive(4, 100)).toEqual([]);
    // The receiver owns what it got: a later receive does not write into it.
    expect([...(first[0]?.data ?? [])]).toEqual([0, 200]);
  });

  test("arrive by the loop until the socket is closed; errors of callbacks are not swallowed", async () => {
    const a = namedSocket();
    const b = namedSocket();
    const batches: ReceivedMessage[][] = [];
    b.socket.startReceiving(3, 16, (messages) => batches.push(messages), unexpected);
    expect(
      caught(() =>
        b.socket.startReceiving(
          1,
          1,
          () => {},
          () => {},
        ),
      ),
    ).toMatchObject({ code: "EALREADY" });
    for (let i = 0; i < 7; i++) a.socket.send(Buffer.of(i), 0, 1, unixAddress(b.name));
    await waitFor(() => batches.flat().length === 7, { what: "seven datagrams" });
    expect(batches.map((batch) => batch.length)).toEqual([3, 3, 1]);
    expect(batches.flat().map(({ data }) => data[0])).toEqual([0, 1, 2, 3, 4, 5, 6]);
    b.socket.stopReceiving();
    a.socket.send(Buffer.of(8), 0, 1, unixAddress(b.name));
    expect(b.socket.waitReadable(1_000)).toBe(true);
    expect(b.socket.receive(8, 8).length).toBe(1);
    b.socket.startReceiving(3, 16, (messages) => batches.push(messages), unexpected);
    a.socket.send(Buffer.of(9), 0, 1, unixAddress(b.name));
    await waitFor(() => batches.flat().length === 8, { what: "another datagram after a second start" });
  });

  test("waitReadable waits no longer than it is told, and not at all when something is there", () => {
    const a = namedSocket();
    const begunUs = addon.monotonicUs();
    expect(a.socket.waitReadable(30)).toBe(false);
    expect(addon.monotonicUs() - begunUs).toBeGreaterThanOrEqual(30_000);
    a.socket.send(Buffer.of(1), 0, 1, unixAddress(a.name));
    expect(a.socket.waitReadable(60_000)).toBe(true);
  });

  test("a full queue is EAGAIN, never a wait", () => {
    const a = namedSocket();
    const b = namedSocket();
    const flood = (): void => {
      for (let i = 0; i < 100_000; i++) a.socket.send(Buffer.of(1), 0, 1, unixAddress(b.name));
    };
    expect(caught(flood)).toMatchObject({ code: "EAGAIN", syscall: "sendmsg" });
  });

  test("a connected socket needs no address", () => {
    const a = namedSocket();
    const b = namedSocket();
    a.socket.connect(unixAddress(b.name));
    expect(a.socket.send(Buffer.from("hello"), 0, 5, undefined)).toBe(5);
    expect(b.socket.receive(1, 100)[0]?.data.toString()).toBe("hello");
    expect(decodeUnixAddress(b.socket.address())).toBe(b.name);
  });

  test("options are read back", () => {
    const { socket } = namedSocket();
    socket.setOption(LINUX.SOL_SOCKET, LINUX.SO_RCVBUF, intOption(50_000));
    expect(socket.getOption(LINUX.SOL_SOCKET, LINUX.SO_RCVBUF, 4).readInt32LE()).toBe(100_000);
  });
});

describe("timers", () => {
  test("are never early, also when armed again and again", async () => {
    const earlyUs: number[] = [];
    let at = 0;
    let left = 200;
    const ticking = timer(() => {
      const now = addon.monotonicUs();
      if (now < at) earlyUs.push(at - now);
      if (--left > 0) arm();
    });
    const arm = (): void => {
      at = addon.monotonicUs() + 300 + ((left * 37) % 700);
      ticking.arm(at);
    };
    arm();
    await waitFor(() => left === 0, { what: "200 expiries" });
    expect(earlyUs).toEqual([]);
  });

  test("an instant in the past fires at once, a disarmed or rearmed one does not", async () => {
    const fired: string[] = [];
    const past = timer(() => fired.push("past"));
    const disarmed = timer(() => fired.push("disarmed"));
    let rearmedAt = 0;
    const rearmed = timer(() => fired.push(addon.monotonicUs() >= rearmedAt ? "rearmed" : "early"));
    past.arm(-5);
    disarmed.arm(0);
    disarmed.disarm();
    rearmed.arm(0);
    rearmedAt = addon.monotonicUs() + 20_000;
    rearmed.arm(rearmedAt);
    await waitFor(() => fired.includes("rearmed"), { what: "the rearmed timer" });
    expect(fired).toEqual(["past", "rearmed"]);
  });

  test("the clock is the one of process.hrtime", () => {
    const before = Number(process.hrtime.bigint() / 1_000n);
    const now = addon.monotonicUs();
    const after = Number(process.hrtime.bigint() / 1_000n);
    expect(now).toBeGreaterThanOrEqual(before);
    expect(now).toBeLessThanOrEqual(after);
  });
});

test("every descriptor is closed by close", () => {
  const before = openDescriptors();
  for (let i = 0; i < 50; i++) {
    namedSocket();
    timer(() => {});
  }
  expect(openDescriptors().length).toBe(before.length + 100);
  for (const each of open.splice(0)) each.close();
  expect(openDescriptors()).toEqual(before);
});

test("a lock is held against other descriptors until its own is closed", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-lock-"));
  try {
    const path = join(folder, "lock");
    const first = openSync(path, "w");
    const second = openSync(path, "w");
    expect(addon.lockFile(first)).toBe(true);
    expect(addon.lockFile(second)).toBe(false);
    closeSync(first);
    expect(addon.lockFile(second)).toBe(true);
    closeSync(second);
    expect(caught(() => addon.lockFile(second))).toMatchObject({ code: "EBADF", syscall: "flock" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("ambient capabilities are dropped for children", async () => {
  const file = JSON.stringify(join(import.meta.dirname, "../../build/Release/holdfast.node"));
  const code = `
    const ambient = () => /^CapAmb:\\s*(\\w+)/m.exec(require("child_process").execFileSync("cat", ["/proc/self/status"], { encoding: "utf8" }))[1];
    const before = ambient();
    require(${file}).dropAmbientCapabilities();
    console.log(before, ambient());
  `;
  // setpriv raises the ambient set as systemd does; root may.
  const { stdout } = await run("setpriv", [
    "--inh-caps=+net_raw",
    "--ambient-caps=+net_raw",
    process.execPath,
    "-e",
    code,
  ]);
  expect(stdout.trim()).toBe("0000000000002000 0000000000000000");
});

describe("sd_notify", () => {
  test("tells the socket in NOTIFY_SOCKET, abstract or not", () => {
    const { socket, name } = namedSocket();
    expect(sdNotify("READY=1", { NOTIFY_SOCKET: name })).toBe(true);
    expect(socket.receive(1, 100)[0]?.data.toString()).toBe("READY=1");
    const folder = mkdtempSync(join(tmpdir(), "holdfast-notify-"));
    try {
      const path = join(folder, "notify");
      const named = addon.openSocket(LINUX.AF_UNIX, LINUX.SOCK_DGRAM, 0);
      open.push(named);
      named.bind(unixAddress(path));
      expect(sdNotify("STOPPING=1\nSTATUS=bye", { NOTIFY_SOCKET: path })).toBe(true);
      expect(named.receive(1, 100)[0]?.data.toString()).toBe("STOPPING=1\nSTATUS=bye");
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test("does nothing without the variable", () => {
    expect(sdNotify("READY=1", {})).toBe(false);
    expect(sdNotify("READY=1", { NOTIFY_SOCKET: "" })).toBe(false);
  });

  test.each(["@hf-native-nobody", "relative/path"])("warns when %s cannot be told, and goes on", async (name) => {
    const warned = new Promise<Error>((resolve) => process.once("warning", resolve));
    expect(sdNotify("READY=1", { NOTIFY_SOCKET: name })).toBe(false);
    expect((await warned).message).toContain(name);
  });
});
