import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { NODE_FLAGS } from "../lab/holdfast.ts";
import { projectRoot } from "../lab/root.ts";

/** What the tests run is what `holdfast` and the unit run. */
test.each([
  ["src/main.ts", /^#!\/usr\/bin\/env -S node (.*)$/m],
  ["systemd/holdfast.service", /^ExecStart=\/usr\/bin\/node (.*) \/opt\/holdfast\/dist\/main\.js run/m],
])("%s starts Node with the flags of the tests", (file, line) => {
  const text = readFileSync(join(projectRoot, file), "utf8");
  expect(line.exec(text)?.[1]?.split(" ")).toEqual(NODE_FLAGS);
});
