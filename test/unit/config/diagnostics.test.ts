import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { DiagnosticList } from "../../../src/config/diagnostics.ts";
import { formatDiagnostic, parseConfig, validate } from "../../../src/config/index.ts";
import { ip } from "../../../src/core/ip.ts";

/** A VRRP instance that is right, with lines added. */
const vrrp = (lines: string, { name = "A", vrid = 1, address = "10.0.2.10/24" } = {}): string =>
  `vrrp_instance ${name} {\n  interface eth0\n  virtual_router_id ${vrid}\n  virtual_ipaddress {\n    ${address}\n  }\n${lines}\n}\n`;
const CHECK = "HTTP_GET {\n connect_port 8008\n url {\n path /replica\n}\n}";
const server = (lines: string, header = "10.0.2.3 80"): string => `  real_server ${header} {\n${lines}\n  }\n`;
const lvs = (lines: string, servers = server(CHECK), header = "10.0.2.20 80"): string =>
  `virtual_server ${header} {\n  lvs_method DR\n  protocol TCP\n${lines}\n${servers}}\n`;

const patroni = (lines: string): string => `patroni {\n${lines}\n}\n`;
const TWO_SERVERS = server("") + server("", "10.0.2.4 80");

const globals = (lines: string): string => `global_defs {\n${lines}\n}\n${vrrp("")}`;
/** Another instance on another interface. */
const second = (lines = "", name = "B"): string =>
  vrrp(lines, { name, vrid: 2, address: "10.0.3.10/24" }).replace("eth0", "eth1");
const group = (members: string, lines = "", name = "G"): string =>
  `vrrp_sync_group ${name} {\n  group {\n    ${members}\n  }\n${lines}\n}\n`;
const script = (lines = "", name = "check"): string => `vrrp_script ${name} {\n  script /bin/true\n${lines}\n}\n`;
const PEERS = "  unicast_peer {\n    10.0.2.2\n  }";
const PASSWORD = "  authentication {\n    auth_type PASS\n    auth_pass secret12\n  }";
const V6 = { address: "fe80::10/64\n    2001:db8::10/64" };

/** Every code with a text that earns exactly it, and nothing else. */
const CASES: readonly (readonly [code: string, what: string, text: string])[] = [
  ["binary-file", "a NUL byte", "global_defs {\n  router\0id A\n}\n"],
  ["too-large", "a megabyte and one", " ".repeat(1_048_577)],
  ["empty-file", "comments only", "# nothing\n! here\n"],
  [
    "invisible-character",
    "a no-break space",
    "global_defs {\n  router_id\u00a0KAD1\n}\nvrrp_instance A {\n  interface eth0\n  virtual_router_id 1\n  virtual_ipaddress {\n 10.0.2.10\n}\n}\n",
  ],
  ["unterminated-quote", "a quote over the line", vrrp('  priority "100')],
  ["unexpected-brace", "a brace too many", `${vrrp("")}}\n`],
  ["unexpected-brace", "a brace after nothing", "{\n}\n"],
  ["unclosed-block", "a block without end", vrrp("").replace(/\}\n$/, "")],
  ["too-deep", "nesting", "garp_group {\n".repeat(40)],
  ["unexpected-block", "braces behind a scalar", vrrp("  priority 100 {\n  }")],
  ["missing-block", "a block without braces", "vrrp_instance A\n"],
  ["unknown-keyword", "a misspelt keyword", vrrp("  prioritty 100")],
  ["unknown-keyword", "a keyword in the wrong block", vrrp("  lvs_sched rr")],
  ["unknown-keyword", "nothing like a keyword", vrrp("  frobnicate 100")],
  ["unknown-keyword", "a line continuation", vrrp("  priority\\\n")],
  ["unknown-keyword", "a misspelt option of an address", vrrp("", { address: "10.0.2.10/24 devv eth0" })],
  ["left-out", "a seed", globals("  random_seed 1")],
  ["left-out", "a block", "bfd_instance A {\n  min_rx 10\n}\n"],
  ["port-without-persistence", "a service on all ports", lvs("", server(CHECK, "10.0.2.3"), "10.0.2.20")],
  [
    "port-without-persistence",
    "an exclusive service on all ports",
    lvs("  exclusive on\n  persistence_timeout 60", server(CHECK, "10.0.2.3"), "10.0.2.20"),
  ],
  [
    "check-without-port",
    "a check that does not know where to ask",
    lvs("", server("TCP_CHECK {\n}", "10.0.2.3"), "fwmark 3"),
  ],
  ["scheduler-flag", "a flag of another scheduler", lvs("  lvs_sched mh\n  sh-port")],
  ["ops-without-udp", "one packet of TCP", lvs("  ops")],
  [
    "persistence-missing",
    "granularity of no affinity",
    lvs("  persistence_timeout 0\n  persistence_granularity 255.255.255.0"),
  ],
  ["engine-without-udp", "SIP over TCP", lvs("  persistence_timeout 60\n  persistence_engine sip")],
  ["contradiction", "more tolerance than quorum", lvs("  quorum 1\n  hysteresis 1")],
  ["quorum-unattainable", "a quorum above all weights", lvs("  quorum 2")],
  ["sorry-server-missing", "no sorry server", lvs("  sorry_server_inhibit")],
  ["port-mismatch", "the sorry server's port", lvs("  sorry_server 10.0.2.9 81")],
  ["family-mismatch", "the sorry server's family", lvs("  sorry_server 2001:db8::9 80")],
  ["duplicate-real-server", "a sorry server that is a real one", lvs("  sorry_server 10.0.2.3 80")],
  ["ip-family-ignored", "a family beside an address", lvs("  ip_family inet")],
  ["threshold-ignored", "a lower threshold alone", lvs("", server(`${CHECK}\n lthreshold 5`))],
  ["contradiction", "thresholds upside down", lvs("", server(`${CHECK}\n lthreshold 5\n uthreshold 4`))],
  [
    "empty-group",
    "a group of nothing",
    `virtual_server_group G {\n}\n${lvs("", server(CHECK, "10.0.2.3"), "group G")}`,
  ],
  ["unknown-name", "a group that is not there", `${lvs("", server(CHECK, "10.0.2.3"), "group G")}`],
  [
    "duplicate-virtual-server",
    "a range over a service",
    `virtual_server_group G {\n  10.0.2.19-22 80\n}\n${lvs("")}${lvs("", server(CHECK, "10.0.2.3"), "group G")}`,
  ],
  [
    "family-mismatch",
    "a netmask in IPv6",
    lvs(
      "  persistence_timeout 60\n  persistence_granularity 255.255.0.0",
      server(CHECK, "2001:db8::3 80"),
      "2001:db8::20 80",
    ),
  ],
  ["invalid-value", "a netmask with holes", lvs("  persistence_timeout 60\n  persistence_granularity 255.0.255.0")],
  ["invalid-value", "GUE without port", lvs("").replace("lvs_method DR", "lvs_method TUN type gue")],
  ["invalid-value", "a range upside down", `virtual_server_group G {\n  10.0.2.22-19 80\n  10.0.2.1 80\n}\n${lvs("")}`],
  ["left-out", "a keyword", vrrp("  no_accept")],
  ["left-out", "a block", "bfd_instance B {\n  neighbor_ip 10.0.2.2\n}\n"],
  ["left-out", "a value", vrrp("  authentication {\n    auth_type AH\n    auth_pass secret12\n  }")],
  ["include-missing", "an include", `includem other.conf\n${vrrp("")}`],
  ["include-missing", "an include that may be missing", `include other.conf\n${vrrp("")}`],
  ["left-out", "a random number", vrrp("  priority $".concat("{_RANDOM 1 9}"))],
  ["invalid-value", "a sequence without an end", globals("~SEQ(N, 3, 1, 1) router_id $N")],
  ["invalid-value", "a condition of include", `global_defs {\n  include_check +all\n}\n${vrrp("")}`],
  ["invalid-value", "a parameter of keepalived's", `$_X=1\n${vrrp("")}`],
  ["unknown-parameter", "a parameter", vrrp("  priority $PRIORITY")],
  ["missing-value", "no value", vrrp("  priority")],
  ["missing-value", "an option of an address without value", vrrp("", { address: "10.0.2.10/24 dev" })],
  ["too-many-values", "a second value", vrrp("  priority 100 200")],
  ["invalid-value", "no number", vrrp("  priority high")],
  ["invalid-value", "no address", lvs("", server(CHECK, "10.0.2.300 80"))],
  ["invalid-value", "a word in the wrong case", vrrp("  state backup")],
  ["invalid-value", "a label too long", vrrp("", { address: "10.0.2.10/24 label eth0:too-long-name" })],
  ["invalid-value", "a status code", lvs("", server("HTTP_GET {\nurl {\npath /\nstatus_code OK\n}\n}"))],
  ["invalid-value", "a path", lvs("", server("HTTP_GET {\nurl {\npath primary\n}\n}"))],
  ["out-of-range", "a priority", vrrp("  priority 256")],
  ["out-of-range", "a fraction of a second in VRRPv2", vrrp("  advert_int 0.5")],
  ["out-of-range", "a prefix length", vrrp("", { address: "10.0.2.10/33" })],
  ["out-of-range", "milliseconds for seconds", lvs("  role_watch 200")],
  ["out-of-range", "a deadline longer than a day", lvs("  role_loss drain 86401")],
  ["invalid-value", "a deadline of what has none", lvs("  role_loss cut 5")],
  ["invalid-value", "an unknown policy", lvs("  role_loss reset")],
  [
    "missing-value",
    "an option of a tracked script without value",
    script() + vrrp("  track_script {\n    check weight\n  }"),
  ],
  ["missing-value", "an ipvlan device without address", vrrp("  use_ipvlan")],
  ["too-many-values", "a word before a block", vrrp("").replace("virtual_ipaddress {", "virtual_ipaddress 10.0.2.9 {")],
  [
    "invalid-value",
    "an argument outside the quotes of a script",
    script().replace("/bin/true", '"/bin/sleep" 5') + vrrp("  track_script {\n    check\n  }"),
  ],
  ["invalid-value", "an open quote within a script", vrrp(`  notify "/bin/sh -c 'x"`)],
  ["invalid-value", "no hardware address of one's own", vrrp("  use_vmac vrrp1 00:00:5e:00:01:07")],
  ["invalid-value", "a TTL range upside down", vrrp("  unicast_peer {\n    10.0.2.2 min_ttl 255 max_ttl 254\n  }")],
  ["invalid-value", "a peer of the other family", vrrp("", { address: "10.0.2.10 peer 2001:db8::1" })],
  ["invalid-value", "no multicast group", vrrp("  mcast_dst_ip 10.0.0.18")],
  ["out-of-range", "an interval too long for version 3", vrrp("  version 3\n  advert_int 41")],
  ["out-of-range", "less than a hundredth of a second in version 3", vrrp("  version 3\n  advert_int 0.015")],
  ["out-of-range", "a weight", vrrp("  track_interface {\n    eth1 weight 254\n  }")],
  [
    "missing-keyword",
    "no script",
    script().replace("  script /bin/true\n", "") + vrrp("  track_script {\n    check\n  }"),
  ],
  ["missing-keyword", "no password", vrrp("  authentication {\n  }")],
  ["missing-keyword", "no interface of a unicast instance", vrrp(PEERS).replace("  interface eth0\n", "")],
  ["missing-keyword", "no interface of a garp_group", `garp_group {\n  garp_interval 0.1\n}\n${vrrp("")}`],
  ["missing-keyword", "no interface", vrrp("").replace("  interface eth0\n", "")],
  ["missing-keyword", "no url", lvs("", server("HTTP_GET {\n}"))],
  ["missing-keyword", "no path", lvs("", server("HTTP_GET {\nurl {\n}\n}"))],
  ["duplicate-instance", "a name twice", vrrp("") + vrrp("", { vrid: 2, address: "10.0.2.11" })],
  ["duplicate-virtual-router-id", "a number twice", vrrp("") + vrrp("", { name: "B", address: "10.0.2.11" })],
  ["duplicate-address", "an address twice", vrrp("") + vrrp("", { name: "B", vrid: 2 })],
  ["duplicate-virtual-server", "a service twice", lvs("") + lvs("")],
  ["duplicate-real-server", "a server twice", lvs("", server(CHECK) + server(CHECK, "10.0.2.3"))],
  ["no-real-server", "a service without servers", lvs("", "")],
  ["family-mismatch", "families", lvs("", server(CHECK, "2001:db8::3 80"))],
  ["family-mismatch", "bindto", lvs("", server("TCP_CHECK {\n      bindto 2001:db8::1\n    }\n"))],
  [
    "invalid-value",
    "a Host header of two lines",
    lvs("", server('HTTP_GET {\n      virtualhost "a b"\n      url { path / }\n    }\n')),
  ],
  ["left-out", "BFD_CHECK", lvs("", server("BFD_CHECK {\n      name a\n    }\n"))],
  ["port-mismatch", "ports", lvs("", server(CHECK, "10.0.2.3 81"))],
  [
    "unknown-name",
    "a tracked script that is not there",
    script() + vrrp("  track_script {\n    chek\n  }") + second("  track_script {\n    check\n  }"),
  ],
  [
    "unknown-name",
    "an instance that connection sync follows and that is not there",
    globals("  lvs_sync_daemon eth1 inst B"),
  ],
  [
    "sync-mixed-family",
    "connection sync with tunnels into the other family",
    `${globals("  lvs_sync_daemon eth1 inst A")}${lvs("", server(CHECK, "2001:db8::3 80")).replace("lvs_method DR", "lvs_method TUN")}`,
  ],
  [
    "trap-idle-limit",
    "a limit below usual keepalives",
    `${globals("  lvs_timeouts tcp 3600")}${lvs("", server(CHECK, "10.0.2.3 5432"), "10.0.2.10 5432")}`,
  ],
  ["trap-sync-preempts", "connection sync without preempt_delay", globals("  lvs_sync_daemon eth1 inst A")],
  ["unknown-name", "a member that is not there", vrrp("") + second() + group("A\n    B\n    C")],
  ["rule-without-preference", "a rule", vrrp("  virtual_rules {\n    from 10.0.2.10 table 100\n  }")],
  ["unknown-name", "a track group", `static_ipaddress {\n  10.0.9.1/24 dev eth1 track_group X\n}\n${vrrp("")}`],
  ["duplicate-name", "a script twice", script() + script() + vrrp("  track_script {\n    check\n  }")],
  [
    "duplicate-name",
    "an interface in two groups",
    `garp_group {\n  garp_interval 0.1\n  interfaces {\n    eth0\n    eth0\n  }\n}\n${vrrp("")}`,
  ],
  ["duplicate-name", "two delays", `interface_up_down_delays {\n  eth0 1\n  eth0 1.5\n}\n${vrrp("")}`],
  ["duplicate-tracker", "an interface twice", vrrp("  track_interface {\n    eth1\n    eth1 weight 5\n  }")],
  ["duplicate-peer", "a peer twice", vrrp("  unicast_peer {\n    10.0.2.2\n    10.0.2.2 min_ttl 255\n  }")],
  ["duplicate-fifo", "one FIFO for all", globals("  notify_fifo /run/f\n  vrrp_notify_fifo /run/f")],
  ["script-without-fifo", "a script without its FIFO", globals("  notify_fifo_script /bin/cat")],
  ["family-mismatch", "both families in adverts", vrrp("", { address: "10.0.2.10\n    2001:db8::10" })],
  ["family-mismatch", "a source address", vrrp("  mcast_src_ip 2001:db8::1")],
  ["family-mismatch", "a unicast peer", vrrp("  unicast_peer {\n    2001:db8::2\n  }")],
  ["unicast-without-peer", "a source address of nothing", vrrp("  unicast_src_ip 10.0.2.1")],
  ["peer-is-self", "oneself among the peers", vrrp(`  unicast_src_ip 10.0.2.2\n${PEERS}`)],
  [
    "duplicate-virtual-router-id",
    "a number twice with one peer",
    vrrp(PEERS) + vrrp(PEERS, { name: "B", address: "10.0.2.11" }),
  ],
  ["contradiction", "multicast and unicast", vrrp(`  mcast_dst_ip 224.0.0.18\n${PEERS}`)],
  ["contradiction", "two kinds of device", vrrp("  use_vmac\n  use_ipvlan ipv1 10.0.2.3/24")],
  [
    "contradiction",
    "an interface and interfaces",
    `garp_group {\n  garp_interval 0.1\n  interface eth0\n  interfaces {\n    eth1\n  }\n}\n${vrrp("")}`,
  ],
  ["vmac-without-device", "vmac_xmit_base alone", vrrp("  vmac_xmit_base")],
  ["vmac-unicast", "unicast from a virtual MAC", vrrp(`  use_vmac\n${PEERS}`)],
  ["authentication-version", "a password in version 3", vrrp(`  version 3\n${PASSWORD}`)],
  ["empty-group", "a group of nobody", vrrp("") + group("")],
  ["two-groups", "a member of two groups", vrrp("") + second() + group("A\n    B") + group("A\n    B", "", "H")],
  ["link-delay-too-long", "a delay of two intervals", `interface_up_down_delays {\n  eth0 2\n}\n${vrrp("")}`],
  ["contradiction", "preempt and nopreempt", vrrp("  preempt\n  nopreempt")],
  ["exclusive-without-role", "exclusive by TCP_CHECK", lvs("  exclusive on", server("TCP_CHECK {\n}"))],
  ["duplicate-block", "two roles of a member", lvs("", server(patroni("role primary") + patroni("role replica")))],
  ["missing-keyword", "patroni without role", lvs("", server(patroni("port 8008")))],
  ["missing-keyword", "a role nowhere, said once for all servers", lvs(patroni(""), TWO_SERVERS)],
  [
    "missing-keyword",
    "a certificate without key",
    lvs(patroni("role any\ntls {\n certificate /a.pem\n}"), TWO_SERVERS),
  ],
  ["missing-keyword", "a password without user", lvs(patroni("role any\npassword x\ntls {\n}"), TWO_SERVERS)],
  ["trap-password-without-tls", "a password in clear text", lvs(patroni("role any\nuser u\npassword x"), TWO_SERVERS)],
  ["contradiction", "a fallback without roles", lvs("fallback primary")],
  ["contradiction", "a fallback where one has weight", lvs(`fallback any\n${patroni("role primary")}`, TWO_SERVERS)],
  [
    "contradiction",
    "a fallback where further checks ask for the leader",
    lvs(`fallback any\n${patroni("role replica")}`, server(CHECK.replace("/replica", "/primary"))),
  ],
  ["contradiction", "a fallback to the same role", lvs(`fallback replica\n${patroni("role replica")}`, TWO_SERVERS)],
  ["invalid-value", "a fallback's time alone", lvs(`fallback primary 3\n${patroni("role replica")}`, TWO_SERVERS)],
  ["invalid-value", "a fallback without its time", lvs(`fallback primary after\n${patroni("role any")}`, TWO_SERVERS)],
  ["missing-keyword", "a cluster without patroni", lvs("patroni_cluster 10.0.2.3", TWO_SERVERS)],
  [
    "contradiction",
    "one address for every member",
    lvs(`patroni_cluster 10.0.2.3\n${patroni("role any\nconnect_ip 10.0.2.9")}`, ""),
  ],
  ["invalid-value", "a name of a REST API", lvs(`patroni_cluster pg1:8008\n${patroni("role any")}`, "")],
  ["invalid-value", "a scope without its name", lvs(`patroni_cluster 10.0.2.3 scope\n${patroni("role any")}`, "")],
  ["invalid-value", "no REST API", lvs(`patroni_cluster interval 3\n${patroni("role any")}`, "")],
  ["missing-keyword", "kicks without their secret", globals("  kick_listen 10.0.2.1 8009")],
  ["missing-keyword", "a secret of kicks alone", globals("  kick_token_file /etc/holdfast/kick.token")],
  ["invalid-value", "a secret without its path", globals("  kick_token_file kick.token")],
  ["contradiction", "a leader's lag", lvs("", server(patroni("role primary\nmax_lag 1MB")))],
  ["contradiction", "a leader's lag, inherited", lvs(patroni("role primary\nmax_lag 1MB"), server(patroni("port 1")))],
  ["family-mismatch", "patroni's bindto", lvs("", server(patroni("role any\nbindto 2001:db8::1")))],
  ["invalid-value", "a lag in words", lvs("", server(patroni("role replica\nmax_lag 16mb")))],
  ["invalid-value", "a lag of petabytes", lvs("", server(patroni("role replica\nmax_lag 9999TB")))],
  ["invalid-value", "an unknown policy", lvs("", server(patroni("role replica\non_unknown keep 3")))],
  ["invalid-value", "a policy without its time", lvs("", server(patroni("role replica\non_unknown hold")))],
  ["invalid-value", "a policy with a time too many", lvs("", server(patroni("role replica\non_unknown drop 3")))],
  ["missing-value", "no policy", lvs("", server(patroni("role replica\non_unknown")))],
  ["out-of-range", "a hold of days", lvs("", server(patroni("role replica\non_unknown hold 100000")))],
  ["invalid-value", "a role of nobody's", lvs("", server(patroni("role master")))],
  ["invalid-value", "a user with a colon", lvs(patroni("role any\nuser a:b\npassword x\ntls {\n}"), TWO_SERVERS)],
  ["invalid-value", "a file without its path", lvs(patroni("role any\ntls {\n ca pg-ca.pem\n}"), TWO_SERVERS)],
  [
    "too-many-addresses",
    "256 addresses",
    vrrp("", { address: Array.from({ length: 256 }, (_, i) => `10.3.0.${i}`).join("\n") }),
  ],
  ["strict-no-address", "strict without address", vrrp("  strict_mode", { address: "" })],
  ["strict-garp-refresh", "strict with refresh", vrrp("  strict_mode on\n  garp_master_refresh 60")],
  ["strict-unicast", "strict with peers", vrrp(`  strict_mode\n${PEERS}`)],
  ["strict-ipv6-version", "strict IPv6 with version 2", vrrp("  strict_mode\n  version 2", V6)],
  ["strict-link-local", "strict IPv6 without link-local address", vrrp("  strict_mode", { address: "2001:db8::10" })],
  ["strict-authentication", "strict with password", vrrp(`  strict_mode\n${PASSWORD}`)],
  ["strict-preempt-delay", "strict with a delay", vrrp("  strict_mode\n  preempt_delay 5")],
  ["strict-accept", "strict with accept", vrrp("  strict_mode\n  accept")],
  ["strict-lower-prio", "strict with answers", vrrp("  strict_mode\n  lower_prio_no_advert off")],
  ["strict-higher-prio", "strict with a last word", vrrp("  strict_mode\n  higher_prio_send_advert")],
  ["strict-xmit-base", "strict from the base", vrrp("  strict_mode\n  use_vmac\n  vmac_xmit_base")],
  ["strict-down-timer", "strict with other intervals", vrrp("  strict_mode\n  down_timer_adverts 5")],
  ["ipv6-is-version-3", "IPv6 with version 2", vrrp("  version 2", V6)],
  ["preempt-delay-ignored", "a delay with MASTER", vrrp("  state MASTER\n  priority 255\n  preempt_delay 5")],
  ["preempt-delay-ignored", "a delay with nopreempt", vrrp("  nopreempt\n  preempt_delay 5")],
  ["password-truncated", "nine characters", vrrp(PASSWORD.replace("secret12", "secret123"))],
  ["no-source-to-track", "a source that is not written", vrrp("  track_src_ip")],
  ["checksum-form-ignored", "a checksum form of version 2", vrrp("  v3_checksum without_pseudo_header")],
  ["tracks-own-interface", "the instance's interface", vrrp("  track_interface {\n    eth0\n  }")],
  [
    "weight-of-owner",
    "a weight of an owner",
    vrrp("  state MASTER\n  priority 255\n  track_interface {\n    eth1 weight 5\n  }"),
  ],
  [
    "weight-in-sync-group",
    "a weight of a member",
    vrrp("  track_interface {\n    eth2 weight 5\n  }") + second() + group("A\n    B"),
  ],
  [
    "tracker-of-group",
    "a tracker of both",
    vrrp("  track_interface {\n    eth2\n  }") + second() + group("A\n    B", "  track_interface {\n    eth2\n  }"),
  ],
  ["unused-tracker", "a script that nobody tracks", script() + vrrp("")],
  ["group-of-one", "a group of one", vrrp("") + group("A")],
  ["no-pause", "a garp_group without pause", `garp_group {\n  interface eth0\n}\n${vrrp("")}`],
  [
    "advert-fragmented",
    "91 IPv6 addresses",
    vrrp("", { address: Array.from({ length: 91 }, (_, i) => `fe80::${i + 1}`).join("\n") }),
  ],
  ["trap-link-local", "IPv6 without link-local address", vrrp("", { address: "2001:db8::10/64" })],
  ["trap-down-timer", "one interval", vrrp("  down_timer_adverts 1")],
  ["trap-authentication", "a password", vrrp(PASSWORD)],
  ["trap-group-nopreempt", "nopreempt in one member", vrrp("  nopreempt") + second() + group("A\n    B")],
  ["trap-group-owner", "an owner in a group", vrrp("  state MASTER\n  priority 255") + second() + group("A\n    B")],
  [
    "trap-script-timeout",
    "a timeout above the interval",
    script("  timeout 5") + vrrp("  track_script {\n    check\n  }"),
  ],
  ["trap-script-security", "scripts as root", `global_defs {\n  script_user root\n}\n${vrrp("  notify /bin/true")}`],
  ["trap-mail-address", "alerts to nobody", globals("  smtp_alert on")],
  ["trap-mail-alert", "an address without alerts", globals("  notification_email {\n    a@example.com\n  }")],
  [
    "no-virtual-address",
    "only excluded addresses",
    vrrp("  virtual_ipaddress_excluded {\n    10.0.2.11\n  }", { address: "" }),
  ],
  ["no-virtual-address", "no address", vrrp("", { address: "" })],
  ["duplicate-keyword", "a keyword twice", vrrp("  priority 100\n  priority 120")],
  ["label-not-of-device", "a label of another device", vrrp("", { address: "10.0.2.10/24 label eth1:1" })],
  ["nopreempt-ignored", "nopreempt of an owner", vrrp("  priority 255\n  nopreempt")],
  ["nopreempt-ignored", "nopreempt with state MASTER", vrrp("  state MASTER\n  priority 255\n  nopreempt")],
  ["owner-by-state", "MASTER without priority", vrrp("  state MASTER")],
  ["strict-state", "strict with MASTER below 255", vrrp("  strict_mode\n  state MASTER\n  priority 150")],
  ["strict-state", "strict with BACKUP at 255", vrrp("  strict_mode\n  priority 255")],
  ["role-timing-ignored", "role_watch without exclusive", lvs("  exclusive off\n  role_watch 0.1")],
  ["role-timing-ignored", "role_watch of a service that is not exclusive", lvs("  role_watch 0.1")],
  ["role-timing-ignored", "role_hold of a service that is not exclusive", lvs("  role_hold 10")],
  ["role-timing-ignored", "role_hold without exclusive", lvs("  exclusive off\n  role_hold 10")],
  ["trap-vrrp-strict", "vrrp_strict", `global_defs {\n  vrrp_strict\n}\n${vrrp("")}`],
  ["trap-state-master", "MASTER below 255", vrrp("  state MASTER\n  priority 150")],
  ["trap-state-backup", "BACKUP at 255", vrrp("  state BACKUP\n  priority 255")],
  ["trap-protocol", "no protocol", lvs("").replace("  protocol TCP\n", "")],
  ["trap-persistence", "a second of affinity", lvs("  persistence_timeout 1")],
  [
    "trap-persistence-exclusive",
    "affinity where one server has weight",
    lvs("  exclusive on\n  persistence_timeout 60"),
  ],
  ["trap-address-not-held", "a service on nobody's address", vrrp("") + lvs("")],
  ["trap-no-check", "a server without check", lvs("", server("  weight 1"))],
  [
    "trap-weights-ignored",
    "weights for rr",
    lvs("  lvs_sched rr", server(`weight 1\n${CHECK}`) + server(`weight 2\n${CHECK}`, "10.0.2.4 80")),
  ],
  ["trap-nothing-to-do", "global_defs alone", "global_defs {\n  router_id A\n}\n"],
];

describe("each finding", () => {
  it.each(CASES)("%s: %s", (code, _what, text) => {
    const { diagnostics } = parseConfig(text, "holdfast.conf");
    const codes = new Set(diagnostics.map((each) => each.code));
    // A password is always warned about.
    if (text.includes("authentication {") && code !== "trap-authentication") codes.delete("trap-authentication");
    expect([...codes]).toEqual([code]);
  });

  it("prints its place, its line with a caret, and a remedy", async () => {
    const printed = CASES.map(([code, what, text]) => {
      const findings = parseConfig(text, "holdfast.conf").diagnostics.slice(0, 2);
      return `== ${code}: ${what}\n${findings.map((each) => formatDiagnostic(each, text)).join("\n")}\n`;
    });
    await expect(printed.join("\n")).toMatchFileSnapshot("./diagnostics.txt");
  });

  it("has a case here", () => {
    const folder = new URL("../../../src/config/", import.meta.url);
    const codes = new Set<string>();
    for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      if (!name.endsWith(".ts")) continue;
      const text = readFileSync(new URL(name, folder), "utf8");
      for (const match of text.matchAll(/(?:\.error|\.warning)\(\s*"([a-z0-9-]+)"|code: "([a-z0-9-]+)"/g))
        codes.add(match[1] ?? match[2] ?? "");
    }
    const elsewhere = [
      "include-loop",
      "too-many-errors",
      "too-many-warnings",
      "interface-missing",
      "interface-without-address",
      "source-address-missing",
    ];
    expect([...codes].filter((code) => !elsewhere.includes(code)).sort()).toEqual(
      [...new Set(CASES.map(([code]) => code))].sort(),
    );
  });
});

it.each(["/primary", "/"])("role_watch has its effect on a service that is, or may become, exclusive by %s", (path) => {
  const text = lvs("role_watch 0.1\nrole_hold 10", server(CHECK.replace("/replica", path)));
  expect(parseConfig(text, "holdfast.conf").diagnostics.map(({ code }) => code)).toEqual([]);
});

describe("several findings", () => {
  it("of one file come in one run, in the order of the text, each where it is", () => {
    const text = [
      "global_defs {", //
      "  router_idd A",
      "}",
      "vrrp_instance A {",
      "  interface eth0",
      "  virtual_router_id 300",
      "  priority",
      "\tadvert_int x # not this one!",
      "}",
      "virtual_server 10.0.2.10 5432 {",
      "  lvs_method NAT",
      "  protocol TCP",
      "  real_server 10.0.2.3 5432 {",
      "    HTTP_GET { url { path / status_code 200 } }",
      "  }",
      "}",
      "virtual_servr 1.2.3.4 5 {",
      "  anything here",
      "}",
    ].join("\r\n");
    const found = parseConfig(text, "t.conf").diagnostics.filter(({ severity }) => severity === "error");
    expect(found.map(({ code, at }) => `${at.line}:${at.column}+${at.length} ${code}`)).toEqual([
      "2:3+10 unknown-keyword",
      "6:21+3 out-of-range",
      "7:3+8 missing-value",
      "8:13+1 invalid-value",
      "14:29+11 too-many-values",
      "17:1+13 unknown-keyword",
    ]);
  });

  it("keeps tabs before the caret and shows a part of a very long line", () => {
    const text = vrrp(`\tpriority\t${"9".repeat(500)}`);
    const [diagnostic] = parseConfig(text, "t.conf").diagnostics;
    if (diagnostic === undefined) throw new Error("no diagnostic");
    const [, line = "", caret = ""] = formatDiagnostic(diagnostic, text).split("\n");
    expect(line.startsWith("  \tpriority\t999")).toBe(true);
    expect(caret.startsWith(`  \t${" ".repeat(8)}\t^^^`)).toBe(true);
    expect(line.length).toBeLessThan(130);
  });

  it("a file of nothing but faults stops at a hundred and says so", () => {
    const { diagnostics } = parseConfig("nonsense\n".repeat(500), "t.conf");
    expect(diagnostics.length).toBe(101);
    expect(diagnostics.at(-1)).toMatchObject({ code: "too-many-errors", message: "400 more errors are not shown" });
  });

  const unchecked = (count: number): string =>
    Array.from(
      { length: count },
      (_, server) => `real_server 10.2.${server >> 8}.${server & 255} 80 { weight 1 }`,
    ).join("\n");

  it("warnings are no errors, however many: a file with hundreds is accepted, and says how many are not shown", () => {
    const text = `virtual_server 10.0.2.10 80 {\n  lvs_method DR\n  protocol TCP\n${unchecked(500)}\n}`;
    const { config, diagnostics } = parseConfig(text, "t.conf");
    expect(config?.virtualServers[0]?.realServers.length).toBe(500);
    expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(diagnostics.length).toBe(101);
    expect(diagnostics.at(-1)).toMatchObject({ code: "too-many-warnings", message: "400 more warnings are not shown" });
  });

  it("an error behind hundreds of warnings is shown", () => {
    const found = new DiagnosticList();
    const at = { file: "t.conf", line: 1, column: 1, length: 1 };
    for (let warning = 0; warning < 500; warning += 1) found.warning("trap-no-check", at, "a warning", "none");
    expect(found.hasErrors).toBe(false);
    found.error("unknown-keyword", at, "an error", "none");
    expect(found.hasErrors).toBe(true);
    expect(found.sorted().filter(({ severity }) => severity === "error")).toMatchObject([{ message: "an error" }]);
  });
});

describe("the host's facts", () => {
  const text = vrrp("", { address: "10.0.2.10/24 dev eth7" });
  const found = (interfaces: Parameters<typeof validate>[1]) => {
    const { config, places } = parseConfig(text, "t.conf");
    if (config === undefined) throw new Error("the configuration is valid");
    return validate(config, interfaces, places).map(({ code, severity, at }) => `${severity} ${code} ${at.line}`);
  };
  const address = { ip: ip("10.0.2.1"), prefixLength: 24 };

  it("are warnings where they contradict", () => {
    expect(found({ interfaces: [{ name: "lo", addresses: [address] }] })).toEqual([
      "warning interface-missing 2",
      "warning interface-missing 5",
    ]);
    expect(
      found({
        interfaces: [
          { name: "eth0", addresses: [{ ip: ip("fe80::1"), prefixLength: 64 }] },
          { name: "eth7", addresses: [] },
        ],
      }),
    ).toEqual(["warning interface-without-address 2"]);
  });

  it("of IPv6 want a link-local address to send from, of unicast any", () => {
    const ofInterface = (text6: string, address6: string) => {
      const { config, places } = parseConfig(text6, "t.conf");
      if (config === undefined) throw new Error("the configuration is valid");
      const facts = { interfaces: [{ name: "eth0", addresses: [{ ip: ip(address6), prefixLength: 64 }] }] };
      return validate(config, facts, places).map(({ code, message }) => `${code}: ${message}`);
    };
    expect(ofInterface(vrrp("", V6), "fe80::1")).toEqual([]);
    expect(ofInterface(vrrp("", V6), "2001:db8::1")).toEqual([
      "interface-without-address: eth0 has no IPv6 link-local address: vrrp_instance A is in FAULT until it has one to send from",
    ]);
    const unicast = vrrp("  unicast_peer {\n    2001:db8::2\n  }", V6);
    expect(ofInterface(unicast, "2001:db8::1")).toEqual([]);
    expect(ofInterface(unicast, "10.0.2.1")).toHaveLength(1);
  });

  it("name the source address and every other interface that is missing, but not those that we make", () => {
    const all = `${vrrp(
      "  mcast_src_ip 10.0.2.9\n  use_vmac vm1\n  track_interface {\n    eth5\n    vm1\n  }\n  virtual_ipaddress_excluded {\n    10.0.3.10 dev eth6 use_vmac\n  }",
    )}static_ipaddress {\n  10.0.9.1/24\n  10.0.9.2/24 dev eth8\n}\nlinkbeat_interfaces {\n  eth9\n}\n`;
    const { config, places } = parseConfig(all, "t.conf");
    if (config === undefined) throw new Error("the configuration is valid");
    const facts = { interfaces: [{ name: "eth0", addresses: [address] }] };
    expect(validate(config, facts, places).map(({ code, at, message }) => `${at.line} ${code} ${message}`)).toEqual([
      "7 source-address-missing this host does not have the source address 10.0.2.9: adverts of vrrp_instance A come from the interface's primary address until it has",
      "10 interface-missing this host has no interface eth5, tracked by vrrp_instance A",
      "14 interface-missing this host has no interface eth6, the device of 10.0.3.10",
      "19 interface-missing this host has no interface eth8, the device of the static address 10.0.9.2",
      "22 interface-missing this host has no interface eth9, polled for its link",
    ]);
  });

  it("are silent where they agree, and where there are none", () => {
    expect(
      found({
        interfaces: [
          { name: "eth0", addresses: [address] },
          { name: "eth7", addresses: [] },
        ],
      }),
    ).toEqual([]);
    expect(found(undefined)).toEqual([]);
  });
});
