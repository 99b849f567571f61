import { describe, expect, test } from "vitest";
import { openIpvsTable } from "../../src/io/ipvsTable.ts";
import { kernelHasIpvs } from "../guest/boot/kernelHasIpvs.ts";

// The other half is test/guest/ipvsTable.test.ts: every kernel runs one of them.
const skipped = kernelHasIpvs() ? " [skipped: this kernel has IPVS]" : "";
if (skipped !== "") process.stderr.write(`skipped: "a kernel without IPVS":${skipped}\n`);

describe.skipIf(skipped !== "")(`a kernel without IPVS${skipped}`, () => {
  test("is refused with the module's name and what to do", () => {
    expect(() => openIpvsTable()).toThrow(
      expect.objectContaining({
        code: "ipvsMissing",
        message: expect.stringContaining("ip_vs"),
        remedy: expect.stringContaining("modprobe ip_vs"),
      }),
    );
  });
});
