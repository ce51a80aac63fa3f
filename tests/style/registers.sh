# Wide registers and tile instructions stand only in the tiers that are for
# them, and a tier's object gives out one symbol: what fills its rows of the
# table. Otherwise a processor without them could meet one (an inline function
# that the linker takes from a tier's object is the usual way).
. "$SOURCE/tests/common.sh"
need objdump
objects=$BUILD/CMakeFiles/hs_kernels.dir/kernels
[ -d "$objects/avx2" ] || skip "built without tiers"

# matches PATTERN OBJECT: instructions that match, at most three.
matches() {
  objdump -d --no-show-raw-insn "$2" | grep -E "$1" | sed -n 1,3p || true
}

# refuse PATTERN OBJECT...
refuse() {
  local pattern=$1 object found
  shift
  for object in "$@"; do
    found=$(matches "$pattern" "$object")
    [ -z "$found" ] || fail "$object has $found"
  done
}

mapfile -t others < <(find "$BUILD" -name '*.o' -path '*hs_*' \
  ! -path '*/kernels/avx*' ! -path '*/kernels/amx/*')
[ "${#others[@]}" -gt 50 ] || fail "found only ${#others[@]} objects"
refuse '%[yz]mm|%tmm' "${others[@]}"
refuse '%zmm|%tmm|%k[1-7]' "$objects"/avx2/*.o
refuse 'vpdpbusd|dpbf16ps|cvtneps|%tmm' "$objects"/avx512/*.o
refuse 'dpbf16ps|cvtneps|%tmm' "$objects"/avx512vnni/*.o
refuse '%tmm' "$objects"/avx512bf16/*.o
# What must be there, or the patterns above see nothing.
[ -n "$(matches '%ymm' "$objects/avx2/product.c.o")" ] || fail "no ymm in avx2"
[ -n "$(matches '%tmm' "$objects/amx/product.c.o")" ] || fail "no tmm in amx"

for object in "$objects"/avx*/*.o "$objects"/amx/*.o; do
  name=$(basename "$object" .c.o)
  tier=$(basename "$(dirname "$object")")
  want=${tier}_$name
  [ "$name" != tier ] || want=kernels_$tier
  given=$(nm -g --defined-only "$object" | awk '{ print $3 }')
  [ "$given" = "$want" ] || fail "$object gives $given, not $want alone"
done
