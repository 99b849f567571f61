import { expect, test } from "vitest";
import { loadAddon } from "../../src/io/addon.ts";
import { waitFor } from "../lab/wait.ts";
import { openDescriptors } from "./native/descriptors.ts";
import { addonWorker, ended, posted } from "./native/worker.ts";

loadAddon();

/** Runs `life` and expects that every descriptor which the worker opened is closed once it has ended. */
async function leavesNothing(life: () => Promise<void>): Promise<void> {
  const before = openDescriptors();
  await life();
  await waitFor(() => openDescriptors().join() === before.join(), {
    what: "the worker's descriptors to be closed",
    found: openDescriptors,
  });
}

test("a worker's sockets and timers work on its own loop, and are open while it lives", async () => {
  const before = openDescriptors();
  const worker = addonWorker(`
    ask();
    const look = setInterval(() => {
      if (fired < 3 || received === 0) return;
      clearInterval(look);
      parentPort.postMessage({ fired, received, thread: addon.threadId() });
    }, 1);
  `);
  const seen = (await posted(worker)) as { thread: number };
  expect(seen).toMatchObject({ fired: expect.any(Number), received: expect.any(Number) });
  expect(seen.thread).not.toBe(loadAddon().threadId());
  // Two sockets and the timer.
  expect(openDescriptors().length).toBe(before.length + 3);
  await worker.terminate();
  await waitFor(() => openDescriptors().length === before.length, { what: "the worker's descriptors to be closed" });
});

test("descriptors are closed when a worker ends by process.exit", async () => {
  await leavesNothing(async () => {
    const worker = addonWorker(`setTimeout(() => process.exit(7), 5);`);
    expect(await ended(worker)).toEqual({ exitCode: 7, error: undefined });
  });
});

test("descriptors are closed when a worker throws at its top level", async () => {
  await leavesNothing(async () => {
    expect(await ended(addonWorker(`throw new Error("on purpose");`))).toEqual({ exitCode: 1, error: "on purpose" });
  });
});

test("an exception in a callback of the addon ends the worker as an uncaught one", async () => {
  await leavesNothing(async () => {
    const worker = addonWorker(`
      const failing = addon.openTimer(() => { throw new Error("in the callback"); });
      failing.arm(0);
    `);
    expect(await ended(worker)).toEqual({ exitCode: 1, error: "in the callback" });
  });
});

test("an exception in a callback can be caught as an uncaughtException, and the loop goes on", async () => {
  await leavesNothing(async () => {
    const worker = addonWorker(`
      let caught;
      process.on("uncaughtException", (error) => { caught = error.message; });
      const failing = addon.openTimer(() => {
        if (caught === undefined) { failing.arm(0); throw new Error("once"); }
        parentPort.postMessage(caught);
      });
      failing.arm(0);
    `);
    expect(await posted(worker)).toBe("once");
    await worker.terminate();
  });
});

test("descriptors are closed when a worker exhausts its heap", async () => {
  await leavesNothing(async () => {
    const worker = addonWorker(
      `const kept = []; setImmediate(function fill() { for (let i = 0; i < 1e5; i++) kept.push({ i }); setImmediate(fill); });`,
      { heapMb: 16 },
    );
    expect((await ended(worker)).error).toBe("ERR_WORKER_OUT_OF_MEMORY");
  });
});

test("descriptors are closed by terminate, in the midst of calls and callbacks", async () => {
  await leavesNothing(async () => {
    for (let round = 0; round < 20; round++) {
      const worker = addonWorker(`
        parentPort.postMessage("running");
        setImmediate(function work() {
          const more = [];
          for (let i = 0; i < 50; i++) {
            ask();
            socket.receive(16, 4096);
            more.push(addon.openSocket(addon.constants.AF_UNIX, addon.constants.SOCK_DGRAM, 0));
            try { socket.bind(Buffer.alloc(1)); } catch {}
          }
          for (const each of more) each.close();
          setImmediate(work);
        });
      `);
      await posted(worker);
      await worker.terminate();
    }
  });
});

test("terminate interrupts a worker that never returns to its loop", async () => {
  await leavesNothing(async () => {
    const worker = addonWorker(`
      parentPort.postMessage("running");
      for (;;) { try { addon.openSocket(addon.constants.AF_NETLINK, addon.constants.SOCK_RAW, 255); } catch {} ask(); socket.receive(64, 8192); }
    `);
    await posted(worker);
    await worker.terminate();
  });
});

test("objects that are dropped without close are closed by the garbage collector", async () => {
  await leavesNothing(async () => {
    const worker = addonWorker(`
      const { setFlagsFromString } = require("node:v8");
      setFlagsFromString("--expose-gc");
      const gc = require("node:vm").runInNewContext("gc");
      (() => { for (let i = 0; i < 100; i++) addon.openSocket(addon.constants.AF_UNIX, addon.constants.SOCK_DGRAM, 0); })();
      const own = () => require("node:fs").readdirSync("/proc/self/fd").length;
      const before = own();
      const look = setInterval(() => {
        gc();
        if (own() > before - 100) return;
        clearInterval(look);
        // The receiving socket and the timer are known to the loop, so they live on.
        const firedBefore = fired;
        setTimeout(() => parentPort.postMessage(fired > firedBefore), 20);
      }, 1);
    `);
    expect(await posted(worker)).toBe(true);
    await worker.terminate();
  });
});

test("closing while a callback runs, twice, and using what is closed", async () => {
  await leavesNothing(async () => {
    const worker = addonWorker(`
      const codes = [];
      const refused = (call) => { try { call(); codes.push("accepted"); } catch (error) { codes.push(error.code + " " + error.syscall); } };
      const closing = addon.openTimer(() => {
        closing.close();
        closing.close();
        refused(() => closing.arm(1));
        socket.close();
        socket.close();
        socket.stopReceiving();
        refused(() => socket.address());
        refused(() => socket.receive(1, 1));
        parentPort.postMessage(codes);
      });
      closing.arm(0);
    `);
    expect(await posted(worker)).toEqual(["EBADF timerfd_settime", "EBADF getsockname", "EBADF recvmmsg"]);
    await worker.terminate();
  });
});

test("real-time scheduling is for the calling thread alone and not for its children, or refused with EPERM", async () => {
  const worker = addonWorker(`
    const { readFileSync } = require("node:fs");
    const { execFileSync } = require("node:child_process");
    // proc(5): field 41 of stat is the policy (2 = SCHED_RR), field 40 the real-time priority.
    const policy = (stat) => stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(37, 39).join(" ");
    let answer;
    try {
      addon.setRealtime(10);
      answer = {
        own: policy(readFileSync("/proc/thread-self/stat", "latin1")),
        main: policy(readFileSync("/proc/self/stat", "latin1")),
        child: policy(execFileSync("cat", ["/proc/self/stat"], { encoding: "latin1" })),
      };
    } catch (error) {
      answer = { code: error.code, syscall: error.syscall };
    }
    parentPort.postMessage(answer);
  `);
  const answer = await posted(worker);
  await worker.terminate();
  const granted = { own: "10 2", main: "0 0", child: "0 0" };
  expect([granted, { code: "EPERM", syscall: "sched_setscheduler" }]).toContainEqual(answer);
});
