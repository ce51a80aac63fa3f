# Sourced by demo.sh and test.sh: messages, Debian packages, the build.
# Expects SOURCE, the repository root.

say() { printf '\n==> %s\n' "$*"; }

# die WHAT [WHAT TO DO]
die() {
  printf '\n%s: %s\n' "${0##*/}" "$1" >&2
  [ $# -lt 2 ] || printf '%s\n' "$2" >&2
  exit 1
}

# run_logged LOG COMMAND...: runs quietly; on failure shows the log's end.
run_logged() {
  local log=$1
  shift
  if ! "$@" >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    return 1
  fi
}

# Names in packages.txt whose WHEN is one of the arguments.
packages_for() {
  local name when rest
  while read -r name when rest; do
    case " $* " in
      *" $when "*) [ "$name" = "#" ] || printf '%s\n' "$name" ;;
    esac
  done <"$SOURCE/packages.txt"
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# as_root COMMAND...
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  else
    sudo "$@"
  fi
}

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -y -q \
    -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

# install_packages WHEN...: asks apt only if something is missing.
install_packages() {
  local missing=() name log
  command -v dpkg-query >/dev/null || {
    say "No Debian: packages.txt names what must be installed; going on"
    return 0
  }
  for name in $(packages_for "$@"); do
    is_installed "$name" || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing ${#missing[@]} packages: ${missing[*]}"
  [ "$(id -u)" = 0 ] || command -v sudo >/dev/null ||
    die "packages are missing, and this is neither root nor a user with sudo" \
      "As root: apt-get install --no-install-recommends ${missing[*]}"
  log=$(mktemp)
  # An index that one of several sources does not give need not matter.
  run_logged "$log" apt update || say "apt-get update failed; trying anyway"
  run_logged "$log" apt install --no-install-recommends "${missing[@]}" ||
    die "apt-get could not install the packages (the whole log: $log)" \
      "Mend that (is the network there?) and run ${0##*/} again."
  rm -f "$log"
}

# build FOLDER CMAKE_OPTION...: configures if needed and compiles.
build() {
  local folder=$1
  shift
  mkdir -p "$folder"
  run_logged "$folder/configure.log" cmake -S "$SOURCE" -B "$folder" "$@" ||
    die "cmake could not configure $folder (see above)" \
      "Remove $folder and run ${0##*/} again."
  cmake --build "$folder" --parallel "$(nproc)" ||
    die "the build in $folder failed (see above)"
}
