# Every header compiles alone, and its guard is its path.
. "$SOURCE/tests/common.sh"
cd "$SOURCE"
read -ra libraries < <(pkg-config --cflags openblas jansson)

while read -r header; do
  ${CC:-cc} -std=c11 -fsyntax-only -Wall -Wextra -Werror -I. \
    -D_POSIX_C_SOURCE=200809L "${libraries[@]}" -x c - <<<"#include \"$header\"" ||
    fail "$header does not compile alone"
  guard=$(tr 'a-z/.-' 'A-Z___' <<<"$header")
  grep -qx "#ifndef $guard" "$header" || fail "$header: the guard is not $guard"
done < <(tracked '*.h' | grep -v '^tests/')
