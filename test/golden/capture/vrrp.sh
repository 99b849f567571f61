#!/bin/bash
# Captures what Debian's keepalived puts on the wire: VRRP adverts, gratuitous ARP, unsolicited neighbour advertisements.
# Usage, as root: vrrp.sh
# Needs keepalived, iproute2, tcpdump. Makes two namespaces joined by a veth pair and removes them.
set -eu
. "$(dirname "$0")/lib.sh"
ns_a=hf-capture-a-$$
ns_b=hf-capture-b-$$
work=$(mktemp -d)
out=$work/pcap
keepalived_pid=
tcpdump_pid=
clean() {
  [ -z "$keepalived_pid" ] || kill -KILL "$keepalived_pid" 2>/dev/null || true
  [ -z "$tcpdump_pid" ] || kill "$tcpdump_pid" 2>/dev/null || true
  ip netns del $ns_a 2>/dev/null || true
  ip netns del $ns_b 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

ip netns add $ns_a
ip netns add $ns_b
ip -n $ns_a link add eth0 address 02:00:00:00:00:0a type veth peer name eth0 netns $ns_b address 02:00:00:00:00:0b
for ns in $ns_a $ns_b; do ip -n $ns link set lo up; done
# No IPv6 of the hosts' own in the capture but one address of the sender.
ip netns exec $ns_b sh -c 'echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6'
ip netns exec $ns_a sh -c 'echo 1 > /proc/sys/net/ipv6/conf/eth0/addr_gen_mode'
ip -n $ns_a address add fe80::a/64 dev eth0 nodad
ip -n $ns_a address add 192.0.2.11/24 dev eth0
ip -n $ns_b address add 192.0.2.12/24 dev eth0
for ns in $ns_a $ns_b; do ip -n $ns link set eth0 up; done

cat > "$work/keepalived.conf" <<CONF
global_defs {
  router_id capture
}
vrrp_instance plain {
  state BACKUP
  interface eth0
  virtual_router_id 51
  priority 100
  advert_int 1
  virtual_ipaddress { 192.0.2.100/32 dev eth0 }
}
vrrp_instance three {
  state BACKUP
  interface eth0
  virtual_router_id 52
  priority 254
  advert_int 2
  virtual_ipaddress {
    192.0.2.101/24 dev eth0 label eth0:1
    10.255.254.253/32 dev eth0
    198.51.100.7/32 dev eth0
  }
}
vrrp_instance owner {
  state MASTER
  interface eth0
  virtual_router_id 255
  priority 255
  advert_int 1
  virtual_ipaddress { 192.0.2.110/24 dev eth0 }
}
vrrp_instance password {
  state BACKUP
  interface eth0
  virtual_router_id 54
  priority 100
  advert_int 1
  authentication {
    auth_type PASS
    auth_pass 1111
  }
  virtual_ipaddress { 192.0.2.104/32 dev eth0 }
}
vrrp_instance version3 {
  state BACKUP
  interface eth0
  virtual_router_id 55
  version 3
  priority 100
  advert_int 1
  virtual_ipaddress { 192.0.2.105/32 dev eth0 }
}
vrrp_instance long_password {
  state BACKUP
  interface eth0
  virtual_router_id 56
  priority 100
  advert_int 3
  authentication {
    auth_type PASS
    auth_pass 12345678
  }
  virtual_ipaddress { 192.0.2.106/32 dev eth0 }
}
vrrp_instance version3_fast {
  state BACKUP
  interface eth0
  virtual_router_id 57
  version 3
  priority 254
  advert_int 0.37
  virtual_ipaddress {
    192.0.2.107/32 dev eth0
    10.255.254.253/32 dev eth0
    198.51.100.7/32 dev eth0
  }
}
vrrp_instance version3_ipv6 {
  state BACKUP
  interface eth0
  virtual_router_id 58
  version 3
  priority 100
  advert_int 1
  virtual_ipaddress {
    fe80::58/64 dev eth0
    2001:db8::58/64 dev eth0
  }
}
CONF

ip netns exec $ns_b tcpdump -i eth0 -U -w "$out" 'ip proto 112 or arp or ip6' 2> "$work/tcpdump" &
tcpdump_pid=$!
until grep -q 'listening on' "$work/tcpdump"; do kill -0 $tcpdump_pid; done
ip netns exec $ns_a keepalived --dont-fork --vrrp --use-file "$work/keepalived.conf" --log-console \
  --pid "$work/pid" --vrrp_pid "$work/vrrp.pid" > "$work/log" 2>&1 &
keepalived_pid=$!
entered() { grep -c 'Entering MASTER STATE' "$work/log" || true; }
tries=0
until [ "$(entered)" -ge 8 ]; do
  tries=$((tries + 1))
  [ $tries -lt 200 ] || { cat "$work/log"; exit 1; }
  sleep 0.1
done
# An advert of each as a settled master, then the resignation.
sleep 2
kill -TERM $keepalived_pid
wait $keepalived_pid || true
keepalived_pid=
kill $tcpdump_pid
wait $tcpdump_pid || true
tcpdump_pid=

keepalived=$(keepalived --version 2>&1 | sed -n '1s/ (.*//p')
tcpdump=$(tcpdump --version 2>&1 | head -n 1)
# frame CASE FILTER OPTION COMMENT: the first packet that matches, from its IP header (-x) or its Ethernet header (-xx) on.
frame() {
  local hex
  hex=$(tcpdump -nn -r "$out" "$3" -c 1 "$2" 2> /dev/null | sed -n 's/^\t0x[0-9a-f]*: *//p' | tr -d ' \n')
  emit "$1" "$hex" "$keepalived, $KERNEL, captured by $tcpdump on a veth pair, filter: $2" "$4"
}
advert() { frame "vrrp/$1" "proto 112 and $2" -x "The IPv4 packet. $3"; }
advert one-address 'ip[21] == 51 and ip[22] == 100' 'Instance "plain" of vrrp.sh, MASTER.'
advert three-addresses 'ip[21] == 52 and ip[22] == 254' 'Instance "three", MASTER.'
advert owner 'ip[21] == 255 and ip[22] == 255' 'Instance "owner", MASTER, priority 255.'
advert resigned 'ip[21] == 51 and ip[22] == 0' 'Instance "plain" while keepalived stops: priority 0.'
advert password 'ip[21] == 54 and ip[22] == 100' 'Instance "password", auth_type PASS.'
advert long-password 'ip[21] == 56 and ip[22] == 100' 'Instance "long_password", auth_type PASS with eight characters.'
advert version3 'ip[21] == 55 and ip[22] == 100' 'Instance "version3".'
advert version3-fast 'ip[21] == 57 and ip[22] == 254' 'Instance "version3_fast".'
advert version3-resigned 'ip[21] == 55 and ip[22] == 0' 'Instance "version3" while keepalived stops: priority 0.'
advert6() { frame "vrrp6/$1" "ip6 proto 112 and $2" -x "The IPv6 packet. $3"; }
advert6 two-addresses 'ip6[41] == 58 and ip6[42] == 100' 'Instance "version3_ipv6".'
advert6 resigned 'ip6[41] == 58 and ip6[42] == 0' 'Instance "version3_ipv6" while keepalived stops: priority 0.'
# Of the addresses 2001:db8::58 and fe80::58, by the last four bytes of the target and its first two.
neighbor() { frame "neighbor/$1" "icmp6 and ip6[40] == 136 and $2" -xx "The Ethernet frame. $3"; }
neighbor unsolicited 'ip6[48:2] == 0x2001 and ip6[60:4] == 0x58' 'Instance "version3_ipv6" when it becomes MASTER.'
neighbor unsolicited-link-local 'ip6[48:2] == 0xfe80 and ip6[60:4] == 0x58' 'Instance "version3_ipv6" when it becomes MASTER.'
frame arp/gratuitous 'arp and arp[14:4] == 0xc0000264' -xx 'The Ethernet frame. Instance "plain" when it becomes MASTER.'
