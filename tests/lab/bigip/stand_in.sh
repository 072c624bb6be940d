#!/bin/bash
# What the lab tests do inside one container: FRR's daemons afresh, and a peer in a second
# network namespace. Usage: stand_in.sh FUNCTION [ARGUMENTS]
set -u
readonly D=/usr/lib/frr

stop_daemons() { # stop_daemons DIRECTORY: by pid file, and wait until they are gone
  local file
  # at once: nothing of them is to survive, and an orderly end takes each half a second
  for file in "$1"/*.pid; do
    [ -f "$file" ] && kill -KILL "$(cat "$file")" 2>/dev/null
  done
  for file in "$1"/*.pid; do
    [ -f "$file" ] || continue
    while kill -0 "$(cat "$file")" 2>/dev/null; do read -rt 0.02 <> <(:); done
    rm -f "$file"
  done
  rm -f "$1"/*.vty "$1"/*.api
}

start_daemons() { # start_daemons [DAEMON…]: zebra, bgpd, and these
  local daemon
  for daemon in zebra bgpd "$@"; do
    "$D/$daemon" -d -F traditional -f /etc/frr/empty.conf >/dev/null 2>&1 || exit 1
  done
}

prepare() {
  mkdir -p /run/frr /etc/frr /config/zebos/rd0
  touch /etc/frr/vtysh.conf /etc/frr/empty.conf
  chown -R frr:frr /run/frr /etc/frr
  ip link set lo up
  unshare --net sleep infinity & echo $! > /tmp/peer.pid
  until [ "$(readlink /proc/self/ns/net)" != "$(readlink "/proc/$(cat /tmp/peer.pid)/ns/net")" ]
  do read -rt 0.02 <> <(:); done
  ip link add internal type veth peer name eth1 netns "$(cat /tmp/peer.pid)"
  ip addr add 10.1.20.5/24 dev internal
  ip link set internal up
  in_peer ip link set lo up
  in_peer ip addr add 10.1.20.20/24 dev eth1
  in_peer ip link set eth1 up
}

in_peer() { nsenter --net="/proc/$(cat /tmp/peer.pid)/ns/net" "$@"; }

fresh() { # fresh [DAEMON…]: daemons without configuration and without yesterday's state
  stop_daemons /run/frr
  rm -rf /run/labgen /config/zebos/rd0/ZebOS.conf
  start_daemons "$@"
}

load() { # load FILE…: each is checked, then loaded into fresh daemons; a word said is a warning
  local file
  for file in "$@"; do
    echo "== $file"
    vtysh -C -f "$file" 2>&1 || echo "vtysh -C: $?"
    # a daemon that the file does not need is not waited for
    fresh $(grep -q ' route ' "$file" && echo staticd) $(grep -q ' bfd' "$file" && echo bfdd)
    vtysh -f "$file" 2>&1 || echo "vtysh -f: $?"
  done
}

peer() { # peer FILE: a second FRR, in the other namespace, with this configuration
  stop_daemons /run/frr/peer
  mkdir -p /run/frr/peer /etc/frr/peer
  touch /etc/frr/peer/vtysh.conf
  chown -R frr:frr /run/frr/peer /etc/frr/peer
  in_peer "$D/zebra" -N peer -d -f /etc/frr/empty.conf >/dev/null 2>&1
  in_peer "$D/staticd" -N peer -d -f /etc/frr/empty.conf >/dev/null 2>&1
  in_peer "$D/bgpd" -N peer -d -f /etc/frr/empty.conf >/dev/null 2>&1
  vtysh -N peer -f "$1"
}

until_shown() { # until_shown SECONDS TEXT COMMAND: wait until vtysh shows the text
  local end=$((SECONDS + $1))
  until vtysh -c "$3" | grep -qF -- "$2"; do
    [ "$SECONDS" -lt "$end" ] || { vtysh -c "$3"; return 1; }
    read -rt 0.1 <> <(:)
  done
  return 0
}

connects() { # connects ADDRESS PORT: whether the peer's TCP connection is answered
  in_peer python3 - "$1" "$2" <<'PY'
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).close()
    print("open")
except TimeoutError:
    print("silent")
except OSError as error:
    print(error.strerror)
PY
}

"$@"
