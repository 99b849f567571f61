#!/bin/bash
# Captures what ipvsadm and the kernel say to each other.
# Usage, as root on a kernel with IPVS, or in the guest:
#   node dist-test/test/guest/boot.js -- bash test/golden/capture/ipvs.sh    (HOLDFAST_RESULTS then gets golden-ipvs.tar)
# Needs ipvsadm, iproute2, strace, node. Makes a namespace and removes it.
set -eu
. "$(dirname "$0")/lib.sh"
if [ "${1:-}" != inside ]; then
  ns=hf-capture-i-$$
  trap 'ip netns del $ns' EXIT
  ip netns add $ns
  ip netns exec $ns "$0" inside
  exit
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ipvsadm_version=$(ipvsadm --version | cut -d' ' -f1,2)
provenance="$ipvsadm_version, $KERNEL, by $STRACE"
ip link set lo up
ip address add 192.0.2.10/32 dev lo
ip address add 192.0.2.11/32 dev lo

# request CASE OPTIONS...: the request of one ipvsadm, which is the last it sends, and its answer.
request() {
  local case=$1
  shift
  traced "$work/$case" ipvsadm "$@"
  local sends
  sends=$(grep -c ^send "$work/$case")
  emit "ipvs/$case" "$(nth "$work/$case" send "$sends")" "$provenance: the request of" "ipvsadm $*"
  last_answer=$(grep ^recv "$work/$case" | tail -n 1 | cut -d' ' -f2)
  last_output=$(cat "$work/$case.out")
}

request add-service-rr -A -t 192.0.2.10:5432 -s rr
request add-service-persistent -A -t 192.0.2.10:5433 -s lc -p 1 -M 255.255.255.0
request add-service-ipv6 -A -t '[2001:db8::10]:80' -s wrr -p 300 -M 64
request add-service-udp -A -u 192.0.2.11:53 -s wlc -o
request add-service-fwmark -A -f 7 -s wlc
request edit-service -E -t 192.0.2.10:5432 -s wlc
request add-destination-route -a -t 192.0.2.10:5432 -r 10.0.2.3:5432 -g -w 50
request add-destination-masq -a -t 192.0.2.10:5432 -r 10.0.2.4:5433 -m -w 0 -x 1000 -y 500
request add-destination-tunnel -a -t 192.0.2.10:5433 -r 10.0.2.5:5433 -i -w 65535
request add-destination-ipv6 -a -t '[2001:db8::10]:80' -r '[2001:db8::3]:8080' -g -w 1
request add-destination-fwmark -a -f 7 -r 10.0.2.6:0 -g -w 3
request edit-destination -e -t 192.0.2.10:5432 -r 10.0.2.3:5432 -g -w 0
request delete-destination-missing -d -t 192.0.2.10:5432 -r 10.0.2.99:5432
emit ipvs/error-no-destination "$last_answer" "$provenance: the answer to" "ipvsadm -d -t 192.0.2.10:5432 -r 10.0.2.99:5432" "$last_output"
request add-service-again -A -t 192.0.2.10:5432 -s rr
emit ipvs/error-exists "$last_answer" "$provenance: the answer to" "ipvsadm -A -t 192.0.2.10:5432 -s rr" "$last_output"

# Counters: three connections, each with a question and an answer, to a server of this namespace.
ipvsadm -A -t 192.0.2.10:7000 -s rr
ipvsadm -a -t 192.0.2.10:7000 -r 192.0.2.11:5432 -m -w 4
timeout 60 node -e '
  const net = require("node:net");
  const server = net.createServer((socket) => socket.on("data", () => socket.end("answer")));
  const ask = () => new Promise((resolve, reject) => {
    const socket = net.connect(7000, "192.0.2.10", () => socket.write("question"));
    socket.resume().on("error", reject).on("close", resolve);
  });
  server.listen(5432, "192.0.2.11", async () => {
    for (let i = 0; i < 3; i++) await ask();
    server.close();
  });
'

output() { ipvsadm -Ln "$@" | sed 's/^/  /'; }
traced "$work/list" ipvsadm -Ln
# libnl looks at every datagram before it takes it. nlmsg_type is behind 8 digits, the controller's is 10 00; the command
# stands behind the header: the answers to IPVS_CMD_GET_SERVICE have command 1, those to IPVS_CMD_GET_DEST command 5.
awk '!seen[$0]++' "$work/list" > "$work/distinct"
grep -vE '^.{5}.{8}1000' "$work/distinct" > "$work/list"
services=$(grep -E '^recv .{32}01' "$work/list" | head -n 1 | cut -d' ' -f2)
emit ipvs/dump-services "$services" "$provenance: the first datagram of services of ipvsadm -Ln" \
  "$(output)" "$(output --stats)"
n=0
grep -E '^recv .{32}05' "$work/list" | cut -d' ' -f2 > "$work/destinations"
while read -r hex; do
  n=$((n + 1))
  emit "ipvs/dump-destinations-$n" "$hex" "$provenance: datagram $n of destinations of ipvsadm -Ln" "$(output)" "$(output --stats)"
done < "$work/destinations"
n=0
grep -E '^send .{32}0[48]' "$work/list" | cut -d' ' -f2 > "$work/requests"
emit ipvs/get-services "$(sed -n 1p "$work/requests")" "$provenance: the first request of a dump of" "ipvsadm -Ln"
emit ipvs/get-destinations "$(sed -n 2p "$work/requests")" "$provenance: the second request of a dump of" "ipvsadm -Ln"
emit ipvs/info "$(grep -E '^recv .{32}0e' "$work/list" | head -n 1 | cut -d' ' -f2)" \
  "$provenance: the answer to IPVS_CMD_GET_INFO of" "ipvsadm -Ln" "$(ipvsadm -Ln | head -n 1)"
emit genl/family-ipvs "$(grep -E '^recv .{8}1000' "$work/distinct" | head -n 1 | cut -d' ' -f2)" \
  "$provenance: the controller's answer to" "ipvsadm -Ln"
emit genl/get-family-ipvs "$(grep -E '^send .{8}1000' "$work/distinct" | head -n 1 | cut -d' ' -f2)" \
  "$provenance: the request to the controller of" "ipvsadm -Ln"
# Connection sync and timeouts. The namespace has one interface that is not lo, with multicast.
ip link add sync0 type veth peer name sync1
ip link set sync0 up
ip link set sync1 up
ip address add 192.0.2.1/24 dev sync0
request start-daemon --start-daemon master --mcast-interface sync0 --syncid 7
request start-daemon-options --start-daemon backup --mcast-interface sync0 --syncid 8 \
  --sync-maxlen 1400 --mcast-group 224.0.0.90 --mcast-port 9000 --mcast-ttl 3
traced "$work/daemons" ipvsadm -Ln --daemon
awk '!seen[$0]++' "$work/daemons" > "$work/distinct"
emit ipvs/get-daemons "$(grep -E '^send .{32}0b' "$work/distinct" | head -n 1 | cut -d' ' -f2)" "$provenance: the dump's request of" "ipvsadm -Ln --daemon"
n=0
grep -E '^recv .{32}09' "$work/distinct" | cut -d' ' -f2 > "$work/found"
while read -r hex; do
  n=$((n + 1))
  emit "ipvs/dump-daemons-$n" "$hex" "$provenance: datagram $n with daemons of ipvsadm -Ln --daemon" "$(output --daemon)"
done < "$work/found"
request stop-daemon --stop-daemon master
ip link add sync2 type veth peer name sync3
ip link set sync2 up
ip link set sync3 up
ip address add 2001:db8:1::1/64 dev sync2 nodad
request start-daemon-ipv6 --start-daemon master --mcast-interface sync2 --syncid 255 --mcast-group ff02::81
request set-timeouts --set 7200 30 0
traced "$work/timeouts" ipvsadm -Ln --timeout
awk '!seen[$0]++' "$work/timeouts" > "$work/distinct"
emit ipvs/get-timeouts "$(grep -E '^send .{32}0d' "$work/distinct" | head -n 1 | cut -d' ' -f2)" "$provenance: the request of" "ipvsadm -Ln --timeout"
emit ipvs/timeouts "$(grep -E '^recv .{32}0c' "$work/distinct" | head -n 1 | cut -d' ' -f2)" "$provenance: the answer to IPVS_CMD_GET_CONFIG of" "ipvsadm -Ln --timeout" "$(output --timeout)"
request delete-destination -d -t 192.0.2.10:5432 -r 10.0.2.3:5432
request delete-service -D -t 192.0.2.10:5432
request flush -C
[ -z "${HOLDFAST_RESULTS:-}" ] || tar -C "$GOLDEN" -cf "$HOLDFAST_RESULTS/golden-ipvs.tar" ipvs genl
