# Sourced by the test scripts. They find SOURCE (the repository), BUILD, CC and
# HEADSCOPE in the environment and run in an empty folder of their own.
set -euo pipefail
: "${SOURCE:?}"
export LC_ALL=C.UTF-8

# Exit status of a test that this machine cannot run.
skip() {
  printf 'skipped: %s\n' "$*"
  exit 77
}

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || skip "$1 is not installed"
}

# Tracked files that match the patterns, one a line, from the repository root.
tracked() {
  git -c safe.directory='*' -C "$SOURCE" ls-files -- "$@"
}
