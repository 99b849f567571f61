/**
 * Every normative sentence of RFC 3768 6.4.1 to 6.4.3, 7.1 and 7.2 and of RFC 9568 6.4.1 to 6.4.3, 7.1 and 7.2, in our own
 * words, with the test that proves it: a scenario of test/scenario/vrrp, or a test elsewhere for what codecs, sockets and
 * the kernel do. `departs` says where we do otherwise, and why; docs/decisions.md has more.
 */
export interface Rule {
  /** `3768 6.4.1` */
  readonly section: string;
  readonly says: string;
  readonly proof: readonly Proof[];
  readonly departs?: string;
}

/** The name of a scenario, or a file under test/ with words of the test's title. */
export type Proof = string | { readonly file: string; readonly title: string };

const CODEC = "unit/wireVrrp.test.ts";
const MACHINE = "unit/vrrpStep.test.ts";
const WORKER = "netns/vrrpWorker.test.ts";
const SOCKETS = "netns/nativeVrrpSockets.test.ts";
const decoder = (title: string): Proof => ({ file: CODEC, title });
const ADDRESSES_ONLY_AS_MASTER: Proof = { file: MACHINE, title: "addresses are added only on the way to MASTER" };

export const RULES: readonly Rule[] = [
  {
    section: "3768 6.4.1",
    says: "at Startup the owner sends an advert, announces every address, sets the Adver_Timer and is Master",
    proof: ["rfc3768-6.4.1-owner-becomes-master-at-once"],
  },
  {
    section: "3768 6.4.1",
    says: "at Startup every other router sets the Master_Down_Timer to Master_Down_Interval and is Backup",
    proof: ["rfc3768-6.4.1-others-listen-for-master-down-interval"],
  },
  {
    section: "3768 6.4.2",
    says: "a Backup does not answer ARP for the addresses, takes no packets to the virtual MAC, accepts none to the addresses",
    proof: [ADDRESSES_ONLY_AS_MASTER, { file: WORKER, title: "sweeps what a killed one left behind" }],
  },
  {
    section: "3768 6.4.2",
    says: "Shutdown cancels the Master_Down_Timer and leads to Initialize",
    proof: ["rfc3768-6.4.2-shutdown-goes-to-initialize"],
  },
  {
    section: "3768 6.4.2",
    says: "when the Master_Down_Timer fires: an advert, announcements, the Adver_Timer, Master",
    proof: ["rfc3768-6.4.2-master-down-timer-makes-master"],
  },
  {
    section: "3768 6.4.2",
    says: "priority 0 sets the Master_Down_Timer to Skew_Time",
    proof: ["rfc3768-6.4.2-priority-0-waits-skew-time-only", "backup-priority-0-then-another-master"],
  },
  {
    section: "3768 6.4.2",
    says: "a priority that is not lower resets the Master_Down_Timer to Master_Down_Interval",
    proof: ["rfc3768-6.4.2-equal-or-higher-priority-resets-timer"],
  },
  {
    section: "3768 6.4.2",
    says: "without Preempt_Mode any priority but 0 resets it",
    proof: ["rfc3768-6.4.2-without-preempt-any-priority-resets-timer"],
  },
  {
    section: "3768 6.4.2",
    says: "otherwise the advert is discarded",
    proof: ["rfc3768-6.4.2-lower-priority-is-discarded"],
  },
  {
    section: "3768 6.4.3",
    says: "a Master answers ARP for the addresses, forwards what comes to the virtual MAC, the owner accepts what is for the addresses",
    proof: [ADDRESSES_ONLY_AS_MASTER, { file: WORKER, title: "never touches an address that the host has for ever" }],
    departs:
      "every Master accepts packets to the addresses, as keepalived does: they are services here, not next hops only",
  },
  {
    section: "3768 6.4.3",
    says: "Shutdown cancels the Adver_Timer, sends priority 0 and leads to Initialize",
    proof: ["rfc3768-6.4.3-shutdown-sends-priority-0"],
  },
  {
    section: "3768 6.4.3",
    says: "when the Adver_Timer fires: an advert, and the timer again",
    proof: ["rfc3768-6.4.3-adver-timer-sends-advertisement"],
  },
  {
    section: "3768 6.4.3",
    says: "priority 0 is answered by an advert and resets the Adver_Timer",
    proof: ["rfc3768-6.4.3-priority-0-is-answered"],
  },
  {
    section: "3768 6.4.3",
    says: "a higher priority: no Adver_Timer any more, the Master_Down_Timer, Backup",
    proof: ["rfc3768-6.4.3-yields-to-higher-priority"],
  },
  {
    section: "3768 6.4.3",
    says: "an equal priority and a higher primary address: the same",
    proof: ["rfc3768-6.4.3-tie-goes-to-higher-address"],
  },
  {
    section: "3768 6.4.3",
    says: "otherwise the advert is discarded",
    proof: ["rfc3768-6.4.3-lower-priority-is-discarded", "master-answers-lower-priority"],
    departs: "answered by an advert, as RFC 9568 and keepalived do, unless lower_prio_no_advert is set",
  },
  { section: "3768 7.1", says: "the TTL must be 255", proof: [decoder("ttlNot255")] },
  {
    section: "3768 7.1",
    says: "the version must be 2",
    proof: [decoder("wrongVersion"), "rfc9568-7.1-other-version-is-discarded"],
  },
  { section: "3768 7.1", says: "the packet must be complete", proof: [decoder("truncated")] },
  { section: "3768 7.1", says: "the checksum must be right", proof: [decoder("badChecksum")] },
  {
    section: "3768 7.1",
    says: "the VRID must be configured on the receiving interface",
    proof: [{ file: WORKER, title: "counts malformed and foreign adverts by reason" }],
  },
  {
    section: "3768 7.1",
    says: "the receiver must not be the owner of the addresses",
    proof: ["rfc3768-7.1-owner-hears-another-owner"],
    departs: "two owners are an alarm, and the lower address yields: discarding would leave both Master for ever",
  },
  {
    section: "3768 7.1",
    says: "the authentication type must be the configured one, and its check must succeed",
    proof: [decoder("authentication: the configured one and no other")],
  },
  {
    section: "3768 7.1",
    says: "what fails a check must be discarded",
    proof: [decoder("badChecksum"), "rfc3768-7.1-other-interval-is-discarded"],
  },
  {
    section: "3768 7.1",
    says: "the addresses may be compared; a mismatch should be logged, and the packet dropped unless an owner sent it",
    proof: ["rfc3768-7.1-other-addresses-alarm-only", "skip-check-adv-addr"],
    departs: "never dropped: an operator who changes one host's list first would make two masters",
  },
  {
    section: "3768 7.1",
    says: "the interval must be the configured one",
    proof: ["rfc3768-7.1-other-interval-is-discarded"],
  },
  {
    section: "3768 7.2",
    says: "the fields are filled in from the virtual router's state",
    proof: [decoder("keepalived's packet is the product's, byte for byte"), "configure-master-tells-at-once"],
  },
  { section: "3768 7.2", says: "the checksum is computed", proof: [decoder("every advert survives encoding")] },
  {
    section: "3768 7.2",
    says: "the source is the interface's primary address",
    proof: ["primary-address-changes", { file: SOCKETS, title: "the source address follows each send" }],
  },
  {
    section: "3768 7.2",
    says: "the protocol is 112, and the packet goes to the VRRP group",
    proof: [{ file: SOCKETS, title: "a receiver takes its own interface and its own groups only" }],
  },
  {
    section: "9568 6.4.1",
    says: "at Startup the owner sends an advert, announces every address (ARP or NA), sets the Adver_Timer and is Active",
    proof: ["rfc9568-6.4.1-owner-becomes-active-at-once"],
  },
  {
    section: "9568 6.4.1",
    says: "at Startup every other router takes its own interval for the Active one, sets the Active_Down_Timer and is Backup",
    proof: ["rfc9568-6.4.1-others-listen-for-active-down-interval"],
  },
  {
    section: "9568 6.4.2",
    says: "a Backup answers neither ARP nor neighbour solicitations, takes nothing to the virtual MAC nor to the addresses",
    proof: [ADDRESSES_ONLY_AS_MASTER],
  },
  {
    section: "9568 6.4.2",
    says: "Shutdown cancels the Active_Down_Timer and leads to Initialize",
    proof: ["rfc9568-6.4.2-shutdown-goes-to-initialize"],
  },
  {
    section: "9568 6.4.2",
    says: "when the Active_Down_Timer fires: an advert, announcements, the Adver_Timer with the own interval, Active",
    proof: ["rfc9568-6.4.2-active-down-timer-makes-active"],
  },
  {
    section: "9568 6.4.2",
    says: "priority 0 sets the Active_Down_Timer to Skew_Time",
    proof: ["rfc9568-6.4.2-priority-0-waits-skew-time-only"],
  },
  {
    section: "9568 6.4.2",
    says: "a priority that is not lower teaches its interval, from which Skew_Time, Active_Down_Interval and the timer follow",
    proof: [
      "rfc9568-6.4.2-equal-or-higher-priority-teaches-its-interval",
      "rfc9568-6.1-skew-and-down-interval-follow-the-master",
    ],
  },
  {
    section: "9568 6.4.2",
    says: "without Preempt_Mode any priority but 0 does so",
    proof: ["rfc9568-6.4.2-without-preempt-any-priority-resets-timer"],
  },
  {
    section: "9568 6.4.2",
    says: "otherwise the advert is discarded",
    proof: ["rfc9568-6.4.2-lower-priority-is-discarded"],
  },
  {
    section: "9568 6.4.3",
    says: "an Active router answers ARP and neighbour solicitations, forwards, and accepts by Accept_Mode",
    proof: [ADDRESSES_ONLY_AS_MASTER],
  },
  {
    section: "9568 6.4.3",
    says: "Shutdown cancels the Adver_Timer, sends priority 0 and leads to Initialize",
    proof: ["rfc9568-6.4.3-shutdown-sends-priority-0"],
  },
  {
    section: "9568 6.4.3",
    says: "when the Adver_Timer fires: an advert, and the timer again",
    proof: ["rfc9568-6.4.3-adver-timer-sends-advertisement"],
  },
  {
    section: "9568 6.4.3",
    says: "priority 0 is answered by an advert and resets the Adver_Timer",
    proof: ["rfc9568-6.4.3-priority-0-is-answered"],
  },
  {
    section: "9568 6.4.3",
    says: "a higher priority: no Adver_Timer, its interval is learned, the Active_Down_Timer, Backup; Preempt_Mode does not count",
    proof: ["rfc9568-6.4.3-yields-to-higher-priority"],
  },
  {
    section: "9568 6.4.3",
    says: "an equal priority and a higher primary address: the same",
    proof: ["rfc9568-6.4.3-tie-goes-to-higher-address"],
  },
  {
    section: "9568 6.4.3",
    says: "otherwise the advert is discarded and one is sent at once",
    proof: ["rfc9568-6.4.3-lower-priority-is-answered"],
  },
  {
    section: "9568 7.1",
    says: "the TTL or hop limit must be 255",
    proof: [decoder("ttlNot255"), decoder("IPv6: %s"), decoder("unicast: any TTL")],
    departs: "unicast, which the RFC does not know, takes the range of the configuration",
  },
  { section: "9568 7.1", says: "the version must be 3", proof: ["rfc9568-7.1-other-version-is-discarded"] },
  { section: "9568 7.1", says: "the type must be 1", proof: [decoder("wrongType")] },
  { section: "9568 7.1", says: "the packet must be complete", proof: [decoder("truncated"), decoder("noAddresses")] },
  {
    section: "9568 7.1",
    says: "the checksum, with the pseudo header, must be right",
    proof: [decoder("badChecksum"), decoder("version 3 over IPv4 is taken with and without pseudo header")],
    departs: "over IPv4 the form without pseudo header is taken too: some vendors send it",
  },
  {
    section: "9568 7.1",
    says: "the VRID must be configured on the receiving interface, and the receiver must not be the owner",
    proof: [
      { file: WORKER, title: "counts malformed and foreign adverts by reason" },
      "rfc3768-7.1-owner-hears-another-owner",
    ],
    departs: "two owners are an alarm, and the lower address yields",
  },
  {
    section: "9568 7.1",
    says: "the addresses may be compared; a mismatch should be logged",
    proof: ["rfc9568-7.1-other-addresses-alarm-only"],
  },
  {
    section: "9568 7.1",
    says: "another interval is no reason to discard",
    proof: ["rfc9568-7.1-other-interval-is-no-reason-to-discard"],
  },
  {
    section: "9568 7.2",
    says: "the fields are filled in, the checksum is computed, reserved bits are 0",
    proof: [decoder("every IPv6 advert survives encoding"), decoder("the reserved bits of version 3")],
  },
  {
    section: "9568 7.2",
    says: "the source is the primary IPv4 or the link-local IPv6 address, the destination the VRRP group",
    proof: [{ file: SOCKETS, title: "the source address follows each send" }],
  },
];
