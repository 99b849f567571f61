#!/bin/bash
# Captures what iproute2 and the kernel say to each other about addresses and links, and the generic netlink controller.
# Usage, as root: rtnl.sh
# Needs iproute2, strace. Makes a namespace and removes it.
set -eu
. "$(dirname "$0")/lib.sh"
ns=hf-capture-r-$$
work=$(mktemp -d)
monitor_pid=
# strace takes no signals while it traces, so the monitor itself is ended.
stop_monitor() {
  [ -n "$monitor_pid" ] || return 0
  ip netns pids $ns | xargs -r kill
  wait "$monitor_pid" || true
  monitor_pid=
}
clean() {
  stop_monitor
  ip netns del $ns 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
iproute=$(ip -V | sed 's/ip utility, //; s/,.*//')
provenance="$iproute, $KERNEL, by $STRACE"
in_ns() { ip netns exec $ns "$@"; }
run_traced() { local file=$work/$1; shift; traced "$file" ip netns exec $ns "$@"; }

ip netns add $ns
# The router's port is brought up last, so that the other end's carrier appears while the monitor listens.
ip -n $ns link add eth0 index 10 address 02:00:00:00:00:0a type veth peer name port0 index 11 address 02:00:00:00:00:0b
ip -n $ns link set lo up
in_ns sh -c 'for i in eth0 port0; do echo 1 > /proc/sys/net/ipv6/conf/$i/addr_gen_mode; done'

# request CASE COMMAND...: the request, which is the last one sent (before it iproute2 asks for the link), and its answer.
request() {
  local case=$1
  shift
  run_traced $case "$@"
  local sends
  sends=$(grep -c ^send "$work/$case")
  emit "rtnl/$case" "$(nth "$work/$case" send "$sends")" "$provenance: the request of" "$*"
  last_answer=$(grep ^recv "$work/$case" | tail -n 1 | cut -d' ' -f2)
  last_output=$(cat "$work/$case.out")
}

strace -qq -o "$work/monitor.strace" -e trace=recvmsg -e signal=none -e read=all \
  ip netns exec $ns ip monitor link address > "$work/monitor.out" 2>&1 &
monitor_pid=$!
until grep -q 'recvmsg' "$work/monitor.strace" 2> /dev/null; do kill -0 $monitor_pid; sleep 0.1; done

request address-add-label ip address add 192.0.2.100/32 dev eth0 label eth0:1 scope link valid_lft 10 preferred_lft 0
request address-replace ip address replace 192.0.2.100/32 dev eth0 label eth0:1 scope link valid_lft 2 preferred_lft 0
request address-add-subnet ip address add 192.0.2.11/24 broadcast + dev eth0
request address-add-ipv6 ip address add 2001:db8::100/128 dev eth0 nodad noprefixroute valid_lft 10 preferred_lft 0
in_ns ip address add 198.51.100.7/32 dev eth0
request address-delete ip address delete 198.51.100.7/32 dev eth0
request address-delete-missing ip address delete 198.51.100.8/32 dev eth0
emit rtnl/error-extended "$last_answer" "$provenance: the answer to" "ip address delete 198.51.100.8/32 dev eth0" "$last_output"
request address-add-again ip address add 192.0.2.11/24 dev eth0
emit rtnl/error-exists "$last_answer" "$provenance: the answer to" "ip address add 192.0.2.11/24 dev eth0" "$last_output"
in_ns ip link set eth0 up
in_ns ip link set port0 up
until grep -q 'eth0.*LOWER_UP' "$work/monitor.out"; do kill -0 $monitor_pid; sleep 0.1; done
stop_monitor
buffers "$work/monitor.strace" > "$work/monitor"

# notification CASE PATTERN N: the Nth notification whose bytes match.
notification() {
  emit "rtnl/$1" "$(grep -E "^recv $2" "$work/monitor" | sed -n "$3p" | cut -d' ' -f2)" \
    "$provenance: a notification to ip monitor link address" "while the commands of rtnl.sh run"
}
# nlmsg_len (8 digits), nlmsg_type (4), the rest of the header (20), then the structure.
notification notify-address-new '.{8}1400.{20}0220' 1
notification notify-address-deleted '.{8}1500.{20}0220' 1
notification notify-address-ipv6 '.{8}1400.{20}0a80' 1
notification notify-link-up '.{8}1000.{20}........0a000000' '$'
ip -n $ns link del eth0

ip -n $ns link add eth0 index 10 address 02:00:00:00:00:0a type veth peer name port0 index 11 address 02:00:00:00:00:0b
in_ns sh -c 'echo 1 > /proc/sys/net/ipv6/conf/eth0/addr_gen_mode'
ip -n $ns link set eth0 up
ip -n $ns address add 192.0.2.11/24 dev eth0
ip -n $ns address add 192.0.2.100/32 dev eth0 label eth0:1
ip -n $ns address add 2001:db8::11/64 dev eth0 nodad
# Loopback's addresses carry IFA_PROTO.
run_traced dump-addresses ip address show
run_traced dump-links ip -details link show
emit rtnl/dump-addresses "$(grep -E '^recv .{8}1400' "$work/dump-addresses" | head -n 1 | cut -d' ' -f2)" \
  "$provenance: the first datagram of addresses of" "ip address show" "$(cat "$work/dump-addresses.out")"
emit rtnl/dump-links "$(grep -E '^recv .{8}1000' "$work/dump-links" | head -n 1 | cut -d' ' -f2)" \
  "$provenance: the first datagram of" "ip -details link show" "$(cat "$work/dump-links.out")"
emit rtnl/dump-done "$(grep -E '^recv .{8}0300' "$work/dump-links" | head -n 1 | cut -d' ' -f2)" \
  "$provenance: the end of the dump of" "ip -details link show"

run_traced family genl ctrl get name nlctrl
emit genl/get-family "$(grep -E '^send' "$work/family" | tail -n 1 | cut -d' ' -f2)" "$provenance: the request of" "genl ctrl get name nlctrl"
emit genl/family "$(grep -E '^recv .{8}1000' "$work/family" | tail -n 1 | cut -d' ' -f2)" \
  "$provenance: the answer to" "genl ctrl get name nlctrl" "$(sed -n '/^./{p;q}' "$work/family.out")"
