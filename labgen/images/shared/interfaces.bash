# Sourced by the entrypoints: wait for the links, give them their addresses.
#
# /etc/labgen/interfaces is an `ip -batch` file; the interfaces to wait for are those it names
# after `dev`. Without it, CLAB_INTFS (set by labgen and by containerlab) says how many to expect.

readonly interfaces_file=/etc/labgen/interfaces
mkdir -p /run/labgen

# A file descriptor that never becomes readable: `read -t` on it is a pause that forks nothing.
exec {never}<> <(:)
pause() { read -r -t 0.02 -u "$never" _ || true; }

complain() { echo "labgen: $*" >&2; }

wanted_interfaces() {
  [[ -r $interfaces_file ]] || return 0
  local line name
  while read -r line; do
    [[ $line != \#* && $line =~ [[:space:]]dev[[:space:]]+([^[:space:]]+) ]] || continue
    name=${BASH_REMATCH[1]}
    [[ $name == lo || " ${wanted[*]} " == *" $name "* ]] || wanted+=("$name")
  done < "$interfaces_file"
}

# Kernel fallback devices appear by themselves in a new namespace; they are nobody's link.
count_interfaces() {
  local path
  present=0
  for path in /sys/class/net/*; do
    case ${path##*/} in
      lo | tunl0 | vxlan*.calico | gre0 | gretap0 | erspan0 | sit0 | ip6tnl0 | ip6gre0 | ip_vti0 | ip6_vti0) ;;
      *) present=$((present + 1)) ;;
    esac
  done
}

missing_interface() {
  local name state
  for name in "${wanted[@]}"; do
    state=absent
    [[ -r /sys/class/net/$name/operstate ]] && read -r state < "/sys/class/net/$name/operstate"
    [[ $state == up ]] || { missing="$name ($state)"; return 0; }
  done
  (( ${#wanted[@]} )) && return 1
  count_interfaces
  (( present < ${CLAB_INTFS:-0} )) || return 1
  missing="$((${CLAB_INTFS} - present)) of ${CLAB_INTFS} links"
}

# A veth is up when both its ends are: `route add … dev` fails on anything less.
wait_for_interfaces() {
  local -a wanted=()
  local missing="" present=0 said=0
  wanted_interfaces
  while missing_interface 2>/dev/null; do
    if (( SECONDS >= said + 10 )); then
      complain "still waiting for $missing after $SECONDS s"
      said=$SECONDS
    fi
    pause
  done
}

apply_interfaces() {
  [[ -r $interfaces_file ]] || return 0
  ip -batch "$interfaces_file" || { complain "$interfaces_file was refused by ip"; exit 1; }
}

# The deploying side watches this file from outside; it says that the node's daemons answer.
ready() { : > /run/labgen/ready; }
