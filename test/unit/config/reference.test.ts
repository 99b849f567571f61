import { expect, it } from "vitest";
import { referencePage } from "../../../src/config/index.ts";

it("docs/keepalived.md is what the keyword tables say (after a change: run this test with -u)", async () => {
  await expect(referencePage()).toMatchFileSnapshot("../../../docs/keepalived.md");
});
