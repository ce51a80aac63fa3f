# C files look as .clang-format says.
. "$SOURCE/tests/common.sh"
need clang-format-14
cd "$SOURCE"
tracked '*.c' '*.h' | xargs -d '\n' clang-format-14 --dry-run -Werror ||
  fail "mend with: clang-format-14 -i FILE"
