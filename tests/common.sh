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

# browser_test SCRIPT: runs a test in Chromium, without what an earlier run has
# left, such as a chosen theme.
browser_test() {
  # Debian's python3-selenium belongs to Debian's Python.
  local python=/usr/bin/python3
  need chromium
  need chromedriver
  "$python" -c 'import selenium' 2>/dev/null ||
    skip "python3-selenium is not installed"
  rm -rf profile ./*.db
  PYTHONDONTWRITEBYTECODE=1 "$python" "$SOURCE/tests/browser/$1"
}

# built_with asan|tsan: whether headscope runs under that sanitizer.
built_with() {
  grep -qa "__$1_init" "$HEADSCOPE"
}

# Tracked files that match the patterns, one a line, from the repository root.
tracked() {
  git -c safe.directory='*' -C "$SOURCE" ls-files -- "$@"
}

# The model that the tests run: small enough for a few seconds.
MODEL=$SOURCE/examples/tiny-gpt2

headscope() { "$HEADSCOPE" "$@"; }

# Every file and folder below here with its size and time of change.
listing() {
  find . -mindepth 1 ! -name '*.log' -printf '%p %y %s %T@\n' | sort
}

# refuse STATUS WORDS ARGUMENT...: headscope must end with the status and one
# line on stderr that holds the words, print nothing and change nothing here.
refuse() {
  local status=0 want=$1 words=$2 before
  shift 2
  before=$(listing)
  "$HEADSCOPE" "$@" >stdout.log 2>stderr.log </dev/null || status=$?
  local what="headscope $*: $(cat stderr.log)"
  [ "$status" = "$want" ] || fail "status $status, not $want: $what"
  [ "$(wc -l <stderr.log)" = 1 ] || fail "not one line: $what"
  grep -qF -- "$words" stderr.log || fail "does not say '$words': $what"
  [ ! -s stdout.log ] || fail "printed on stdout: $what"
  [ "$before" = "$(listing)" ] ||
    fail "changed files: $what $(diff <(echo "$before") <(listing))"
}

# A small dump tiny.dump and two SAEs of it, layer0.sae and layer1.sae.
make_dump() {
  head -c 20000 "$MODEL/corpus.txt" >tiny.txt
  headscope capture "$MODEL" --text tiny.txt -o tiny.dump --layers 0-1 \
    --context 64 --quiet "$@" >out.log
}
make_saes() {
  local layer
  for layer in 0 1; do
    headscope train tiny.dump --layer "$layer" -o "layer$layer.sae" \
      --features 512 -k 16 --tokens 40k --batch 1024 --quiet "$@" >out.log
  done
}

# safetensors FILE HEADER N_BYTES [SIZE]: a file with that JSON header and N
# zero bytes; SIZE is written instead of the header's true size.
safetensors() {
  local size=${4-${#2}} i
  {
    for ((i = 0; i < 8; i++)); do
      printf "\\x$(printf %02x $(((size >> (8 * i)) & 255)))"
    done
    printf '%s' "$2"
    head -c "$3" /dev/zero
  } >"$1"
}

# npy FILE HEADER N_BYTES: version 1.0 with that header and N zero bytes.
npy() {
  local header=$2
  while [ $(((10 + ${#header} + 1) % 64)) != 0 ]; do header+=' '; done
  local size=$((${#header} + 1))
  {
    printf '\x93NUMPY\x01\x00'
    printf "\\x$(printf %02x $((size & 255)))\\x$(printf %02x $((size >> 8)))"
    printf '%s\n' "$header"
    head -c "$3" /dev/zero
  } >"$1"
}
