# Every header compiles alone, and its guard is its path.
. "$SOURCE/tests/common.sh"
cd "$SOURCE"
read -ra libraries < <(pkg-config --cflags openblas jansson)

# What the headers of a tier are compiled with (CMakeLists.txt).
tier_flags() {
  case $1 in
    kernels/avx2/*) echo -mavx2 -mfma -mf16c ;;
    kernels/avx512* | kernels/amx/*)
      echo -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512dq -mavx512vl \
        -mavx512vnni -mavx512bf16 -mamx-tile -mamx-bf16
      ;;
  esac
}

while read -r header; do
  read -ra flags < <(tier_flags "$header"; echo)
  ${CC:-cc} -std=c11 "${flags[@]}" -fsyntax-only -Wall -Wextra -Werror -I. \
    -D_POSIX_C_SOURCE=200809L "${libraries[@]}" -x c - <<<"#include \"$header\"" ||
    fail "$header does not compile alone"
  guard=$(tr 'a-z/.-' 'A-Z___' <<<"$header")
  grep -qx "#ifndef $guard" "$header" || fail "$header: the guard is not $guard"
# kernels/lanes/ holds templates, which need a tier's lanes.h before them.
done < <(tracked '*.h' | grep -vE '^(tests|kernels/lanes)/')
