# Sourced by the entrypoints of routers: start daemons, and end with them or do as told.
#
# A daemon that ends by itself ends the node: a dead router must not look like a live one. One that
# `/opt/labgen/daemon NAME stop` has stopped stays down, and its links stay, until `start`: that is
# how a crash, a hold-down or a graceful restart is rehearsed.

readonly daemons=/run/labgen/daemons
declare -A pid_of=() command_of=()
mkdir -p "$daemons"
echo $$ > /run/labgen/entrypoint.pid

launch() { # launch NAME COMMAND…: in the foreground of this container, so its end is noticed
  local name=$1
  shift
  command_of[$name]=$(printf '%q ' "$@")
  "$@" &
  pid_of[$name]=$!
  echo "$!" > "$daemons/$name.pid"
}

alive() { # every one of these daemons, or of all
  local name
  for name in "${@:-${!pid_of[@]}}"; do
    kill -0 "${pid_of[$name]}" 2>/dev/null || return 1
  done
}

stop_all() { # SIGTERM: BIRD and FRR take leave of their peers with a Cease (RFC 4486)
  trap '' TERM INT
  kill -TERM "${pid_of[@]}" 2>/dev/null
  wait "${pid_of[@]}" 2>/dev/null
}
trap 'stop_all; exit 0' TERM INT
trap : USR1 # `daemon NAME start` wakes the loop below

revive() { # revive NAME: again, with whatever `start` adds
  local extra
  extra=$(< "$daemons/$1.extra")
  rm -f "$daemons/$1.extra"
  reviving "$1"
  eval "launch $1 ${command_of[$1]} $extra" # words that printf %q has quoted
  revived "$1"
}
reviving() { :; } # an entrypoint may have to clear the way
revived() { :; } # an entrypoint may have more to do

supervise() {
  local name running
  while :; do
    running=()
    for name in "${!pid_of[@]}"; do
      if alive "$name"; then
        running+=("${pid_of[$name]}")
      elif [[ -e $daemons/$name.hold ]]; then
        continue
      elif [[ -e $daemons/$name.extra ]]; then
        revive "$name"
        running+=("${pid_of[$name]}")
      else
        wait "${pid_of[$name]}"
        complain "$name ended with exit code $?"
        stop_all
        exit 1
      fi
    done
    if (( ${#running[@]} )); then wait -n "${running[@]}"; else pause; fi
  done
}
