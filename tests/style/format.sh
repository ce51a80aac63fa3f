# C files look as .clang-format says.
. "$SOURCE/tests/common.sh"
need clang-format-14
cd "$SOURCE"
strange=$(tracked '*.c' '*.h' |
  xargs -d '\n' clang-format-14 --dry-run 2>&1 |
  sed -n 's/:[0-9]*:[0-9]*: warning: .*//p' | sort -u)
[ -z "$strange" ] || fail "mend with: clang-format-14 -i" $strange
