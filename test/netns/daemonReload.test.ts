import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { AddressWatch, wallClockMs } from "../lab/addressWatch.ts";
import { Holdfast } from "../lab/holdfast.ts";
import { createNetwork, type Network } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { Capture } from "./vrrp/capture.ts";

const OWN = "10.0.2.1";
const KEPT = "10.0.2.10";
const ADDED = "10.0.2.11";
const REMOVED = "10.0.2.12";
const PATIENCE_MS = 30_000;

const configuration = (...vips: readonly string[]): string => `vrrp_instance RW {
  interface eth0
  virtual_router_id 1
  priority 150
  advert_int 1
  virtual_ipaddress {
${vips.map((vip) => `    ${vip}/24`).join("\n")}
  }
}
`;

/** The addresses of a holder change in its file: only the difference is seen. */
requires("netns", "tshark")("a reload of a MASTER", () => {
  const folder = mkdtempSync(join(tmpdir(), "holdfast-reload-"));
  const file = join(folder, "holdfast.conf");
  let network: Network;
  let watch: AddressWatch;
  let capture: Capture;
  let daemon: Holdfast;

  beforeAll(async () => {
    network = await createNetwork({ prefix: "dreload", hosts: [{ name: "a", addresses: [`${OWN}/24`] }] });
    watch = await AddressWatch.start(network.hosts);
    capture = await Capture.start(network.bridge);
    writeFileSync(file, configuration(KEPT, REMOVED));
    daemon = await Holdfast.start(network.host("a"), file);
    await daemon.waitForStatus("both addresses", ({ vrrp }) =>
      Boolean(vrrp.instances[0]?.addresses.every(({ held }) => held)),
    );
    await waitFor(() => capture.announcements(REMOVED).length > 0, { what: "the announcement" });
  });
  afterAll(async () => {
    await daemon?.stop();
    await watch?.stop();
    await capture?.stop();
    network?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("an added address is set and announced, a removed one is withdrawn, the others are not touched", async () => {
    const sinceMs = wallClockMs();
    writeFileSync(file, configuration(KEPT, ADDED));
    daemon.process.signal("SIGHUP");
    await waitFor(() => watch.holders(ADDED).length === 1 && watch.holders(REMOVED).length === 0, {
      what: "the change",
      timeoutMs: PATIENCE_MS,
      found: () => daemon.process.output,
    });
    const announced = await waitFor(() => capture.announcements(ADDED, sinceMs)[0], {
      what: "the announcement of what was added",
      timeoutMs: PATIENCE_MS,
    });
    expect(announced.arpHardware).toBe(await network.host("a").hardwareAddress());
    const advert = await capture.waitForAdvert(
      "an advert that lists what is held now",
      OWN,
      ({ addresses }) => addresses === `${KEPT},${ADDED}`,
      sinceMs,
    );
    expect(advert.priority).toBe("150");
    await capture.catchUp();
    const later = capture.adverts(OWN, advert.atMs);
    expect(later.filter(({ addresses }) => addresses !== `${KEPT},${ADDED}`)).toEqual([]);
    expect(capture.announcements(REMOVED, sinceMs)).toEqual([]);
    expect(capture.adverts(OWN, sinceMs).filter(({ priority }) => priority === "0")).toEqual([]);
    const changes = watch.events().filter(({ atMs }) => atMs >= sinceMs);
    expect(changes.map(({ address, present }) => [address, present]).sort()).toEqual([
      [ADDED, true],
      [REMOVED, false],
    ]);
    const { vrrp } = await daemon.status();
    expect(vrrp.instances[0]?.last?.to).toBe("MASTER");
    expect(vrrp.will.armed).toBe(true);
  });
});
