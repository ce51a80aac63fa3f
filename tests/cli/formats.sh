# SAEs in the file formats of other trainers: what export writes is what encode,
# eval and train read, with the same codes; the same bytes every time; --json,
# --dry-run and --force.
. "$SOURCE/tests/common.sh"
need jq
need sqlite3
find . -mindepth 1 -delete
make_dump
make_saes --features 128 -k 8 --tokens 8k
headscope train tiny.dump --layer 0 -o topk.sae --features 128 -k 8 \
  --tokens 8k --batch 1024 --architecture topk -q >out.log
# codes SAE: every code of the sample
codes() {
  sqlite3 codes.db "SELECT token, feature, level FROM activation AS a
    JOIN sae AS s ON s.id = a.sae WHERE s.name = '$1' ORDER BY token, feature"
}
# What a level stands for, of one SAE against that of the other.
scales() {
  sqlite3 codes.db "SELECT max(abs(f.scale - g.scale) / g.scale) < 1e-5
    FROM feature AS f JOIN feature AS g USING (feature)
    WHERE f.sae = 1 AND g.sae = 2 AND g.scale > 0"
}

# same SAE FORMAT: exported and read again it has the same codes
same() {
  local out=$1-$2.sae
  headscope export "$1.sae" --format "$2" -o "$out" -q >out.log
  headscope info "$out" --json | jq -e --arg f "$2" \
    '.items[0] | .kind == "sae" and .format == $f and .layer == 0' >out.log ||
    fail "$(headscope info "$out" --json)"
  headscope encode tiny.dump "$1.sae" "$out" -o codes.db --rows 2k -q >out.log
  codes "$1" >want.txt
  codes "$1-$2" >got.txt
  [ "$(wc -l <want.txt)" -gt 3000 ] || fail "only $(wc -l <want.txt) codes"
  # Where a level ends, the last digit of a sum decides.
  [ "$(diff want.txt got.txt | grep -c '^>')" -le 5 ] ||
    fail "$1 in $2: $(diff want.txt got.txt | head)"
  [ "$(scales)" = 1 ] || fail "$1 in $2: other values"
  rm codes.db
}
same layer0 saelens
same layer0 dictionary_learning
same layer0 gemma_scope
same topk saelens
same topk sparsify
same topk dictionary_learning

# -- from one format to another, and back to a folder of headscope's own
headscope export layer0-gemma_scope.sae --format dictionary_learning \
  -o again.sae -q >out.log
headscope export again.sae --format saelens -o back.sae -q >out.log
jq -e '.architecture == "jumprelu" and .apply_b_dec_to_input == false
  and .reshape_activations == "hook_z" and .d_sae == 128' back.sae/cfg.json \
  >out.log
cmp layer0-gemma_scope.sae/headscope.json back.sae/headscope.json
headscope train tiny.dump --layer 0 -o started.sae --start back.sae \
  --tokens 4k --batch 1024 -k 8 -q >out.log

# -- the same bytes, in whatever time zone
for format in sparsify dictionary_learning; do
  TZ=Asia/Tokyo headscope export topk.sae --format $format -o twice.sae -q \
    >out.log
  diff -r twice.sae topk-$format.sae
  rm -r twice.sae
done

# -- what it says
headscope export layer0.sae --format gemma_scope -o x.sae --dry-run --json \
  >report.json
[ ! -e x.sae ] || fail "--dry-run wrote"
jq -e '.format == "gemma_scope" and .sae == "layer0" and .d_sae == 128 and
  .architecture == "jumprelu" and (.note | test("b_enc has b_dec"))' \
  report.json >out.log || fail "$(cat report.json)"
headscope export topk.sae --format sparsify -o topk-sparsify.sae --force |
  grep -q '^wrote topk-sparsify.sae: topk, topk of 128 features, as sparsify$'
