#!/bin/bash
# Captures what iproute2 and the kernel say to each other about virtual devices, routes and rules.
# Usage, as root: routes.sh
# Needs iproute2, strace. Makes a namespace and removes it.
set -eu
. "$(dirname "$0")/lib.sh"
ns=hf-capture-o-$$
work=$(mktemp -d)
trap 'ip netns del $ns 2>/dev/null || true; rm -rf "$work"' EXIT
iproute=$(ip -V | sed 's/ip utility, //; s/,.*//')
provenance="$iproute, $KERNEL, by $STRACE"
run_traced() { local file=$work/$1; shift; traced "$file" ip netns exec $ns "$@"; }

# request CASE COMMAND...: the request, which is the last one sent (before it iproute2 asks for links).
request() {
  local case=$1
  shift
  run_traced $case "$@"
  emit "rtnl/$case" "$(nth "$work/$case" send "$(grep -c ^send "$work/$case")")" "$provenance: the request of" "$*"
}
# dump CASE TYPE COMMAND...: the first datagram of messages of this nlmsg_type.
dump() {
  local case=$1 type=$2
  shift 2
  run_traced $case "$@"
  emit "rtnl/$case" "$(grep -E "^recv .{8}$type" "$work/$case" | head -n 1 | cut -d' ' -f2)" \
    "$provenance: the first datagram of" "$*" "$(cat "$work/$case.out")"
}

ip netns add $ns
ip -n $ns link set lo up
ip -n $ns link add eth0 index 10 address 02:00:00:00:00:0a type veth peer name port0 index 11 address 02:00:00:00:00:0b
ip netns exec $ns sh -c 'for i in eth0 port0; do echo 1 > /proc/sys/net/ipv6/conf/$i/addr_gen_mode; done'
ip -n $ns address add 192.0.2.11/24 dev eth0
ip -n $ns address add 2001:db8::11/64 dev eth0 nodad
ip -n $ns link set port0 up
request link-set-up ip link set dev eth0 up

request link-add-macvlan ip link add link eth0 name vrrp.51 address 00:00:5e:00:01:33 type macvlan mode private
# A kernel without ipvlan refuses it: the request is what counts.
request link-add-ipvlan ip link add link eth0 name ipvlan.52 type ipvlan mode l2 private
request link-set-addrgenmode ip link set dev vrrp.51 addrgenmode none
request link-set-address ip link set dev vrrp.51 address 00:00:5e:00:01:34
request link-set-alias ip link set dev vrrp.51 alias holdfast:VRRP:RW
ip -n $ns link set vrrp.51 up
dump dump-links-macvlan 1000 ip -details link show type macvlan
request link-set-down ip link set dev vrrp.51 down
index=$(ip -n $ns -o link show vrrp.51 | cut -d: -f1)
request link-delete ip link delete dev vrrp.51
sed -i "2s/\$/ (index $index)/" "$GOLDEN/rtnl/link-delete.hex"

request address-add-peer ip address add 10.0.9.1 peer 10.0.9.2/32 dev eth0
request address-add-flags ip address add 239.1.2.3/32 dev eth0 noprefixroute autojoin
request address-add-home ip address add 2001:db8:7::77/64 dev eth0 home mngtmpaddr nodad
request route-add-gateway ip route add 198.51.100.0/24 via 192.0.2.1 dev eth0 proto keepalived src 192.0.2.11 metric 50
request route-replace-default ip route replace default via 192.0.2.1 dev eth0 proto keepalived table 1000
request route-append ip route append 198.51.100.0/24 via 192.0.2.2 dev eth0 proto keepalived tos 0x10
request route-add-onlink ip route add 203.0.113.0/24 via 10.9.9.9 dev eth0 onlink proto keepalived
request route-add-link ip route add 203.0.113.7/32 dev eth0 scope link proto keepalived realm 7
request route-add-blackhole ip route add blackhole 198.18.0.0/15 proto keepalived
request route-add-multipath ip route add 198.51.101.0/24 proto keepalived nexthop via 192.0.2.1 dev eth0 weight 3 nexthop via 10.9.9.9 dev eth0 weight 2 onlink
request route-add-metrics ip route add 198.51.102.0/24 via 192.0.2.1 dev eth0 proto keepalived mtu 1400 advmss 1300
# In the dump only: iproute2 sends the lock last, out of the numbers' order.
ip -n $ns route add 198.51.103.0/24 via 192.0.2.1 dev eth0 proto keepalived mtu lock 1400 hoplimit 64
request route-add-via-inet6 ip route add 198.51.104.0/24 via inet6 fe80::1 dev eth0 proto keepalived
request route-add-ipv6 ip -6 route add 2001:db8:1::/48 via fe80::1 dev eth0 proto keepalived metric 50 pref high expires 300
request route-add-ipv6-from ip -6 route add 2001:db8:2::/48 from 2001:db8:3::/64 via fe80::1 dev eth0 proto keepalived
request route-add-ipv6-multipath ip -6 route add 2001:db8:4::/48 proto keepalived nexthop via fe80::1 dev eth0 nexthop via fe80::2 dev eth0
request route-add-ipv6-unreachable ip -6 route add unreachable 2001:db8:5::/48 proto keepalived
dump dump-routes 1800 ip route show table all
# iproute2 sends the name without its NUL, the kernel tells it with one: behind the dump, so that each is compared with its own.
request route-add-congestion ip route add 198.51.105.0/24 via 192.0.2.1 dev eth0 proto keepalived features ecn congctl cubic
request route-delete ip route delete 198.51.100.0/24 via 192.0.2.1 dev eth0 proto keepalived src 192.0.2.11 metric 50

request rule-add-lookup ip rule add from 192.0.2.0/24 to 198.51.100.7 priority 100 fwmark 0x7/0xff table 1000
request rule-add-iif ip rule add iif eth0 oif lo priority 101 table main protocol 18
request rule-add-not ip rule add not from 192.0.2.0/24 tos 0x10 priority 102 table main suppress_prefixlength 0
request rule-add-ports ip rule add priority 103 uidrange 0-99 ipproto tcp sport 1000-2000 dport 80 blackhole
request rule-add-goto ip rule add priority 104 goto 200
request rule-add-realms ip rule add from 10.1.0.0/16 priority 105 realms 3/4 table 9 suppress_ifgroup default
request rule-add-tunnel ip rule add priority 106 tun_id 77 table 9
request rule-add-l3mdev ip rule add priority 107 l3mdev
request rule-add-ipv6 ip -6 rule add from 2001:db8:9::/48 priority 100 prohibit
dump dump-rules 2000 ip rule show
dump dump-rules-ipv6 2000 ip -6 rule show
request rule-delete ip rule delete from 192.0.2.0/24 to 198.51.100.7 priority 100 fwmark 0x7/0xff table 1000
