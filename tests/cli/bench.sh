# headscope bench: the keys that scripts read, sizes at the edge, and the choice
# of a tier, which --cpu and HEADSCOPE_CPU make for every command.
. "$SOURCE/tests/common.sh"
need jq
find . -mindepth 1 -delete
small=(--d 130 --m 300 --k 5 --n 90 --steps 2 --quiet)

headscope bench "${small[@]}" --dense --dead 0.3 --json --threads 2 >out.json
jq -e '(.tokens_per_second > 0) and (.dense_tokens_per_second > 0) and
  (.ratio > 0) and (.threads_ratio > 0) and (.passes_per_step >= 1) and
  (.other_bytes > 0) and (.weight_bytes > 0) and .threads == 2 and
  .d == 130 and .m == 300 and .k == 5 and .n == 90 and
  (.phases | keys) == ["auxk", "decode", "order", "pack", "product", "select",
    "update"] and
  (.peak | .exact_flops > 0 and .memory_bytes > 0)' out.json >/dev/null ||
  fail "keys: $(cat out.json)"
# With dead features AuxK goes through the same selection, on an exact product;
# the candidates are the step's own all the same.
if jq -e '.peak.coarse_flops != null' out.json >/dev/null; then
  jq -e '.candidates_per_step >= 90 * 5' out.json >/dev/null ||
    fail "candidates: $(cat out.json)"
fi
headscope bench "${small[@]}" >out.txt
grep -q 'Gflop/s, .* of the peak' out.txt
headscope bench "${small[@]}" --json | jq -e '.ratio == null' >/dev/null

for size in "1 1 1 1" "1 7 7 3" "3 33 33 15" "200 40 1 129"; do
  read -r d m k n <<<"$size"
  for dead in 0 0.5 1; do
    headscope bench --d $d --m $m --k $k --n $n --dead $dead --steps 1 -q \
      >out.txt || fail "d $d, m $m, k $k, n $n, dead $dead"
  done
done
headscope bench "${small[@]}" --architecture matryoshka --groups 100,200 >out.txt
headscope bench "${small[@]}" --architecture topk --aux-rows 1 >out.txt

refuse 2 'more than' bench --k 9 --m 8
refuse 2 'batchtopk' bench "${small[@]}" --dense --architecture topk
refuse 2 'between' bench --d 0
refuse 2 'nowhere.dump' bench --dump nowhere.dump

# The tier: --cpu goes before the environment, and both are checked.
tier() { jq -r .cpu; }
[ "$(headscope bench "${small[@]}" --json --cpu portable | tier)" = portable ]
[ "$(HEADSCOPE_CPU=portable headscope bench "${small[@]}" --json | tier)" \
  = portable ]
best=$(headscope bench "${small[@]}" --json | tier)
[ "$(HEADSCOPE_CPU=portable headscope bench "${small[@]}" --json --cpu "$best" |
  tier)" = "$best" ]
refuse 2 "no tier 'sse9'" bench --cpu sse9
HEADSCOPE_CPU=sse9 refuse 2 'HEADSCOPE_CPU' bench
HEADSCOPE_CPU=sse9 refuse 2 'HEADSCOPE_CPU' info nowhere.dump
[ "$best" = amx ] || refuse 2 'this computer has no amx' bench --cpu amx
