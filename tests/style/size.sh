# Files of at most 800 lines, functions of at most 150 (kernels excepted), and
# lines of at most 80 columns.
. "$SOURCE/tests/common.sh"
need ctags
cd "$SOURCE"

long_files=$(tracked '*.c' '*.h' '*.sh' '*.sql' '*.py' |
  xargs -d '\n' wc -l | awk '$2 != "total" && $1 > 800')
[ -z "$long_files" ] || fail "over 800 lines: $long_files"

long_functions=$(tracked '*.c' | grep -v '^kernels/' |
  xargs -d '\n' ctags -x --languages=C --c-kinds=f --_xformat='%n %e %N %F' |
  awk '$2 - $1 >= 150 { print $4 ":" $1 " " $3 }')
[ -z "$long_functions" ] || fail "over 150 lines: $long_functions"

wide=$(tracked '*.c' '*.h' '*.sql' | xargs -d '\n' grep -nHP '^\X{81}' || true)
[ -z "$wide" ] || fail "over 80 columns: $wide"
