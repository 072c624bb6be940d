#!/bin/bash
# Makes the captures of this directory with real daemons (FRR 8.4.4, BIRD 1.6.8, tcpdump, dumpcap)
# in network namespaces of their own; nothing leaves them. Needs root. Usage: make.sh SCENARIO [DIR]
set -eu
scenario=$1
out=$(realpath "${2:-$(dirname "$0")}")
work=$(mktemp -d)
pids=()
spaces=()

space() { # space NAME: a namespace with its loopback up
  ip netns add "wire-$1"; spaces+=("$1"); ip -n "wire-$1" link set lo up
}
cable() { # cable A INTERFACE-A B INTERFACE-B
  ip link add "$2" netns "wire-$1" type veth peer name "$4" netns "wire-$3"
  ip -n "wire-$1" link set "$2" up; ip -n "wire-$3" link set "$4" up
}
address() { ip -n "wire-$1" addr add "$3" dev "$2" nodad 2>/dev/null || ip -n "wire-$1" addr add "$3" dev "$2"; }
frr() { # frr NODE [LISTEN-ADDRESS...]: bgpd with $work/NODE.conf
  mkdir -p "$work/$1"; local listen=(); local node=$1; shift
  for a in "$@"; do listen+=(-l "$a"); done
  chmod -R a+rwX "$work"
  ip netns exec "wire-$node" /usr/lib/frr/bgpd -f "$work/$node.conf" -i "$work/$node/pid" \
    -z "$work/$node/zserv" --vty_socket "$work/$node" -S "${listen[@]}" >"$work/$node.log" 2>&1 &
  pids+=($!)
}
vty() { local node=$1; shift; local args=(); for c in "$@"; do args+=(-c "$c"); done
  vtysh --vty_socket "$work/$node" "${args[@]}" >/dev/null || true; }
bird() { ip netns exec "wire-$1" /usr/sbin/bird -f -c "$work/$1.conf" -s "$work/$1.ctl" >"$work/$1.log" 2>&1 & pids+=($!); }
capture() { # capture NODE INTERFACE FILE [FILTER]
  case $3 in
    *.pcapng) ip netns exec "wire-$1" dumpcap -q -i "$2" -f "${4:-}" -w "$out/$3" 2>/dev/null & ;;
    *) ip netns exec "wire-$1" tcpdump -U -i "$2" -w "$out/$3" ${4:-} 2>/dev/null & ;;
  esac
  pids+=($!); sleep 1
}
finish() {
  local i; for ((i = ${#pids[@]} - 1; i >= 0; i--)); do kill "${pids[i]}" 2>/dev/null || true; sleep 0.3; done
  wait 2>/dev/null || true
  for s in "${spaces[@]}"; do ip netns del "wire-$s"; done
  chmod a+r "$out"/*.pcap* 2>/dev/null || true
  rm -rf "$work"
}
trap finish EXIT
pair() { # pair: f5 (10.1.20.5) and n1 (10.1.20.20) on one cable
  space f5; space n1; cable f5 internal n1 eth0
  address f5 internal 10.1.20.5/24; address n1 eth0 10.1.20.20/24
  address f5 internal fd00:20::5/64; address n1 eth0 fd00:20::20/64
}
head5="router bgp 64512
 bgp router-id 10.1.20.5
 no bgp ebgp-requires-policy
 no bgp network import-check
 timers bgp 3 9"

case $scenario in
frr-bird-ibgp)
  # Everything between a BIG-IP stand-in and a Calico node: add-path, communities, refresh, shutdown.
  pair
  cat >"$work/f5.conf" <<X
hostname bigip
$head5
 neighbor 10.1.20.20 remote-as 64512
 neighbor 10.1.20.20 timers connect 5
 address-family ipv4 unicast
  network 10.99.99.0/24
  network 10.99.98.0/24 route-map C
 exit-address-family
 address-family ipv6 unicast
  network fd00:99::/64
  neighbor 10.1.20.20 activate
 exit-address-family
route-map C permit 10
 set community 64512:100 64512:200 no-export
 set large-community 64512:1:2 64512:3:4
 set extcommunity rt 64512:55
 set metric 77
 set as-path prepend 65010 65011
X
  cat >"$work/n1.conf" <<X
router id 10.1.20.20;
protocol device { scan time 5; }
protocol static { route 192.168.1.0/26 blackhole; route 192.168.2.64/26 blackhole; route 192.168.3.0/24 blackhole; }
protocol bgp f5 { local as 64512; neighbor 10.1.20.5 as 64512; multihop; import all; export all;
  add paths on; graceful restart; connect delay time 2; connect retry time 5; source address 10.1.20.20; }
X
  capture f5 internal frr-bird-ibgp.pcapng
  frr f5 10.1.20.5; bird n1; sleep 9
  vty f5 'conf t' 'router bgp 64512' 'address-family ipv4 unicast' 'no network 10.99.99.0/24'; sleep 1
  vty f5 'clear bgp * soft'; birdc -s "$work/n1.ctl" reload all >/dev/null || true; sleep 4
  vty f5 'conf t' 'router bgp 64512' 'neighbor 10.1.20.20 shutdown message maintenance window'; sleep 1
  vty f5 'conf t' 'router bgp 64512' 'no neighbor 10.1.20.20 shutdown'; sleep 8
  ;;
reflector)
  # A route reflector with two clients over IPv6 (add-path both ways, extended next hop, IPv6 routes)
  # and an old eBGP peer that knows neither capabilities nor four-octet AS numbers.
  space f5; space n1; space n2; space tor
  cable f5 trunk n1 eth0; cable f5 eth2 n2 eth0; cable f5 north tor eth0
  address f5 trunk fd00:20::5/64; address n1 eth0 fd00:20::21/64
  address f5 eth2 fd00:21::5/64; address n2 eth0 fd00:21::22/64
  address f5 north 10.1.30.5/24; address tor eth0 10.1.30.1/24
  cat >"$work/f5.conf" <<X
hostname bigip
router bgp 64512
 bgp router-id 10.1.20.5
 bgp cluster-id 244.0.0.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor N peer-group
 neighbor N remote-as 64512
 neighbor N capability extended-nexthop
 neighbor fd00:20::21 peer-group N
 neighbor fd00:21::22 peer-group N
 neighbor 10.1.30.1 remote-as 65001
 neighbor 10.1.30.1 dont-capability-negotiate
 neighbor 10.1.30.1 timers connect 3
 address-family ipv4 unicast
  neighbor N route-reflector-client
  neighbor N addpath-tx-all-paths
  network 10.99.0.0/16
  aggregate-address 10.96.0.0/12
 exit-address-family
 address-family ipv6 unicast
  neighbor N activate
  neighbor N route-reflector-client
  neighbor N addpath-tx-all-paths
 exit-address-family
X
  for n in 1 2; do cat >"$work/n$n.conf" <<X
hostname node$n
router bgp 64512
 bgp router-id 10.1.20.2$n
 no bgp network import-check
 neighbor fd00:2$((n - 1))::5 remote-as 64512
 neighbor fd00:2$((n - 1))::5 capability extended-nexthop
 neighbor fd00:2$((n - 1))::5 timers connect 3
 address-family ipv4 unicast
  network 10.97.0.0/16
  network 192.168.$n.0/26
 exit-address-family
 address-family ipv6 unicast
  neighbor fd00:2$((n - 1))::5 activate
  network fd00:97::/48
  network fd00:bb:$n::/122
 exit-address-family
X
  done
  cat >"$work/tor.conf" <<X
router bgp 65001
 bgp router-id 10.1.30.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.1.30.5 remote-as 64512
 neighbor 10.1.30.5 dont-capability-negotiate
 neighbor 10.1.30.5 timers connect 3
 address-family ipv4 unicast
  network 0.0.0.0/0 route-map P
  network 172.20.0.0/15
 exit-address-family
route-map P permit 10
 set as-path prepend 4200000001 65002
 set origin incomplete
X
  capture f5 trunk reflector.pcapng; capture f5 any reflector-sll2.pcap 'tcp port 179'
  frr f5; frr n1; frr n2; frr tor; sleep 14
  vty n1 'conf t' 'router bgp 64512' 'address-family ipv6 unicast' 'no network fd00:bb:1::/122'; sleep 2
  vty f5 'conf t' 'router bgp 64512' 'no neighbor fd00:20::21'; sleep 2
  ;;
refused)
  # Ways not to get a connection: nobody home, a RST, ICMP prohibited, a silent filter with MD5.
  pair; address f5 internal 10.1.20.6/24
  cat >"$work/f5.conf" <<X
hostname bigip
$head5
 neighbor 10.1.20.20 remote-as 64512
 neighbor 10.1.20.20 timers connect 4
 neighbor 10.1.20.21 remote-as 64512
 neighbor 10.1.20.21 timers connect 4
 neighbor fd00:20::20 remote-as 64512
 neighbor fd00:20::20 password secret
 neighbor fd00:20::20 timers connect 4
X
  ip netns exec wire-n1 nft add table inet t
  ip netns exec wire-n1 nft 'add chain inet t in { type filter hook input priority 0; }'
  ip netns exec wire-n1 nft add rule inet t in ip6 daddr fd00:20::20 tcp dport 179 drop
  capture f5 internal refused.pcapng
  frr f5 10.1.20.5; sleep 6
  ip netns exec wire-n1 nft add rule inet t in ip daddr 10.1.20.20 tcp dport 179 reject with icmp type admin-prohibited
  sleep 6
  ;;
bfd)
  # BFD on one side only, and a session over it; a notification for a wrong AS.
  pair
  cat >"$work/f5.conf" <<X
hostname bigip
$head5
 neighbor 10.1.20.20 remote-as 65000
 neighbor 10.1.20.20 timers connect 3
X
  cat >"$work/n1.conf" <<X
router id 10.1.20.20;
protocol device { scan time 5; }
protocol bfd { interface "eth0" { interval 400 ms; }; neighbor 10.1.20.5 dev "eth0" local 10.1.20.20; }
protocol bgp f5 { local as 64512; neighbor 10.1.20.5 as 64512; direct; import all; export all;
  connect delay time 2; source address 10.1.20.20; }
X
  capture f5 internal bfd-wrong-as.pcap
  frr f5 10.1.20.5; bird n1; sleep 7
  ;;
*) echo "unknown scenario $scenario" >&2; exit 2 ;;
esac
