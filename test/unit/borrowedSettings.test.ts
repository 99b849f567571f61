import { beforeEach, expect, test } from "vitest";
import { BorrowedSettings, type HeldSetting } from "../../src/core/borrowedSettings.ts";

/** What a start, a change by others, a refusal and a death make of a setting that was borrowed. */

const NAME = "ipv4/vs/sloppy_tcp";
let host: Map<string, string>;
let stored: readonly HeldSetting[];
let refuse: boolean;
/** As after a start of the program. */
const life = (): BorrowedSettings =>
  new BorrowedSettings(
    {
      read: (name) => host.get(name),
      write: (name, value) => {
        if (refuse) return { ok: false, code: "EROFS" };
        host.set(name, value);
        return { ok: true };
      },
    },
    {
      readBorrowedSettings: () => stored,
      writeBorrowedSettings: (held) => {
        stored = held;
      },
    },
  );

beforeEach(() => {
  host = new Map([[NAME, "0"]]);
  stored = [];
  refuse = false;
});

test("it is set while it is held and then what it was before, and only the first time is a change", () => {
  const settings = life();
  expect(settings.hold(NAME, "1")).toEqual({ ok: true, changed: "0" });
  expect(settings.hold(NAME, "1")).toEqual({ ok: true, changed: undefined });
  expect(host.get(NAME)).toBe("1");
  expect(settings.held()).toEqual([{ name: NAME, before: "0", value: "1" }]);
  expect(settings.release(NAME)).toEqual({ ok: true, changed: "1" });
  expect(host.get(NAME)).toBe("0");
  expect(stored).toEqual([]);
});

test("what was so before us stays so", () => {
  host.set(NAME, "1");
  const settings = life();
  settings.hold(NAME, "1");
  settings.release(NAME);
  expect(host.get(NAME)).toBe("1");
});

test("a death in between forgets nothing: the next life gives back what the first one found", () => {
  life().hold(NAME, "1");
  const second = life();
  expect(second.hold(NAME, "1")).toEqual({ ok: true, changed: undefined });
  second.release(NAME);
  expect(host.get(NAME)).toBe("0");
});

test("another value in the next life still gives back what was there before both", () => {
  life().hold(NAME, "1");
  const second = life();
  second.hold(NAME, "2");
  expect(stored).toEqual([{ name: NAME, before: "0", value: "2" }]);
  second.release(NAME);
  expect(host.get(NAME)).toBe("0");
});

test("what somebody else has set is set again while it is held, and theirs is what comes back", () => {
  const settings = life();
  settings.hold(NAME, "1");
  host.set(NAME, "5");
  expect(settings.hold(NAME, "1")).toEqual({ ok: true, changed: "5" });
  settings.release(NAME);
  expect(host.get(NAME)).toBe("5");
});

test("what somebody else has set before the release is theirs", () => {
  const settings = life();
  settings.hold(NAME, "1");
  host.set(NAME, "5");
  settings.release(NAME);
  expect(host.get(NAME)).toBe("5");
  expect(stored).toEqual([]);
});

test("a refusal is told with its reason and borrows nothing; a refused return is tried again by the next life", () => {
  refuse = true;
  const settings = life();
  expect(settings.hold(NAME, "1")).toEqual({
    ...{ ok: false, code: "EROFS" },
    detail: `${NAME} cannot be set to 1: EROFS`,
  });
  expect(stored).toEqual([]);
  expect(settings.hold("ipv4/vs/none", "1")).toEqual({
    ...{ ok: false, code: "ENOENT" },
    detail: "ipv4/vs/none does not exist",
  });
  refuse = false;
  settings.hold(NAME, "1");
  refuse = true;
  expect(settings.release(NAME).ok).toBe(false);
  refuse = false;
  life().release(NAME);
  expect(host.get(NAME)).toBe("0");
});
