import { afterAll, beforeAll, expect, test } from "vitest";
import { loadAddon } from "../../src/io/addon.ts";
import { DriverLinks } from "../../src/io/driverLinks.ts";
import { createNetwork, type Network, type NetworkHost } from "../lab/netns.ts";
import { requires } from "../lab/requires.ts";
import { waitFor } from "../lab/wait.ts";
import { inNamespace } from "./native/inNamespace.ts";
import { linkIndex } from "./native/linkIndex.ts";

const NO_SUCH_INTERFACE = 9_999;

/** What `linkbeat_interfaces` asks. No driver here tells another thing than rtnetlink; vrrpLinkbeat.test.ts has one that does. */
requires("netns")("drivers asked for their links by ethtool", () => {
  const addon = loadAddon();
  let network: Network;
  let host: NetworkHost;
  let links: DriverLinks;

  beforeAll(async () => {
    network = await createNetwork({ prefix: "driverlinks", hosts: [{ name: "a" }] });
    host = network.host("a");
    links = new DriverLinks(addon);
  });
  afterAll(async () => {
    links?.close();
    await network?.remove();
  });

  test("a veth has a link while its other end is up, and the loopback always", async () => {
    const index = await linkIndex(host);
    // The socket is opened by the first question, and stays in the namespace of that.
    const hasLink = (asked: number) => inNamespace(addon, host.path, () => links.hasLink(asked));
    await waitFor(() => hasLink(index) === true, { what: "the link of eth0" });
    expect(hasLink(await linkIndex(host, "lo"))).toBe(true);
    await host.unplug();
    await waitFor(() => hasLink(index) === false, { what: "eth0 without a link" });
    await host.plug();
    await waitFor(() => hasLink(index) === true, { what: "the link of eth0 again" });
  });

  test("who cannot tell gives no answer, and the next question is answered", async () => {
    const index = await linkIndex(host);
    const hasLink = (asked: number) => inNamespace(addon, host.path, () => links.hasLink(asked));
    expect(hasLink(NO_SUCH_INTERFACE)).toBeUndefined();
    expect(hasLink(index)).toBe(true);
  });
});
