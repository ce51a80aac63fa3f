#!/usr/bin/env bash
# Installs what the tests need, builds with warnings as errors, runs all tests.
set -euo pipefail

SOURCE=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
. "$SOURCE/cmake/setup.sh"

usage() {
  cat <<'END'
usage: ./test.sh [--full] [-R PATTERN]

Installs missing packages, builds into build-test/ and runs the tests; the last
line says how many passed. A second run compiles only what changed.

  --full       also: long tests, clang, address, undefined and thread sanitizers
  -R PATTERN   only tests whose name matches (unit/, cli/, style/)
END
}

full=false
select=()
while [ $# -gt 0 ]; do
  case $1 in
    --full) full=true ;;
    -R)
      [ $# -gt 1 ] || die "-R needs a pattern"
      select=(-R "$2")
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) die "unknown option $1" "$(usage)" ;;
  esac
  shift
done

passed=0 failed=0 skipped=0 failures=

# The number after NAME= in the first line of a JUnit file.
junit_count() {
  sed -n "s/.* $2=\"\([0-9]*\)\".*/\1/p; s/^\s*$2=\"\([0-9]*\)\".*/\1/p" "$1" |
    head -n 1
}

# test_in FOLDER CTEST_OPTION...: runs its tests and adds to the sums.
test_in() {
  local folder=$1 report total bad idle
  shift
  report=$folder/junit.xml
  rm -f "$report"
  ctest --test-dir "$folder" --parallel "$(nproc)" --output-on-failure \
    --no-tests=error --output-junit "$report" "${select[@]}" "$@" </dev/null ||
    failures+=" ${folder##*/}"
  [ -f "$report" ] || die "ctest could not run in $folder (see above)"
  total=$(junit_count "$report" tests)
  bad=$(junit_count "$report" failures)
  idle=$(junit_count "$report" skipped)
  failed=$((failed + bad))
  skipped=$((skipped + idle))
  passed=$((passed + total - bad - idle))
}

# check NAME OPTION... -- CTEST_OPTION...: one build and its tests.
check() {
  local folder=$SOURCE/$1 options=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  [ $# -eq 0 ] || shift
  say "Building ${folder##*/}"
  build "$folder" -DWERROR=ON -DBUILD_TESTING=ON "${options[@]}"
  say "Testing ${folder##*/}"
  test_in "$folder" "$@"
}

# Sanitizers on code whose results do not depend on them: style is left out.
full_checks() {
  export ASAN_OPTIONS=detect_stack_use_after_return=1
  export UBSAN_OPTIONS=print_stacktrace=1
  check build-clang -DCMAKE_C_COMPILER=clang-14 -- -LE 'style|long'
  check build-address -DSANITIZE=address -- -LE style
  check build-undefined -DSANITIZE=undefined -- -LE 'style|long'
  # Libraries that are not instrumented are passed over.
  export TSAN_OPTIONS=ignore_noninstrumented_modules=1
  check build-thread -DCMAKE_C_COMPILER=clang-14 -DSANITIZE=thread -- \
    -LE 'style|long'
}

started=$SECONDS
when=(build test)
if $full; then when+=(full); fi
install_packages "${when[@]}"
if $full; then
  check build-test
  full_checks
else
  check build-test -- -LE long
fi

say "$((SECONDS - started)) s"
[ -z "$failures" ] ||
  printf 'Failed in:%s. Alone: ./test.sh -R NAME\n' "$failures" >&2
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" = 0 ] && [ -z "$failures" ]
