# headscope eval: the figures of an SAE on the rows that its training held out,
# the same as the trainer's own; foreign SAEs; another SAE beside it.
. "$SOURCE/tests/common.sh"
need jq
need sqlite3
find . -mindepth 1 -delete
make_dump
make_saes
headscope train tiny.dump --layer 0 -o seed1.sae --features 300 -k 16 \
  --tokens 40k --batch 1024 --metrics-every 7 --seed 1 -q >out.log

# -- what training recorded is what eval finds
headscope eval tiny.dump layer1.sae --json >eval.json 2>err.log
record=layer1.sae/headscope.json
# same KEY...: a figure of both, equal to 1e-6
same() {
  local key
  for key; do
    jq -ne --arg key "$key" --slurpfile a eval.json --slurpfile b $record \
      '($a[0][$key] - $b[0].metrics[$key]) as $off |
       ($b[0].metrics[$key] * 1e-6) as $may |
       ($off | fabs) <= ($may | fabs)' >/dev/null ||
      fail "$key: $(jq ".$key" eval.json), but $record has $(jq \
        ".metrics.$key" $record)"
  done
}
same fvu explained_variance fvu_legacy fvu_error_variance l0 l1 mse cosine \
  length_ratio relative_bias alive pca_fvu pca_rank effective_rank \
  participation_ratio train_fvu
jq -e '.split == "held-out" and .layer == 1 and .features == 512 and
  (.per_head_fvu | length) == 8 and
  (.density_histogram.features | add) == .alive and
  (.explained_variance + .fvu - 1 | fabs) < 1e-12 and
  (.fvu_gap - (.fvu - .train_fvu) | fabs) < 1e-12 and
  (.dead_fraction - (1 - .alive / 512) | fabs) < 1e-12 and
  .pca_rank == (.l0 | round)' eval.json >/dev/null || fail "$(cat eval.json)"
[ "$(jq .rows eval.json)" = "$(jq .dump.held_out_rows $record)" ]
[ "$(jq -c .per_head_fvu eval.json)" = \
  "$(jq -c .metrics.per_head_fvu $record)" ]
[ "$(jq .dead_fraction eval.json)" = \
  "$(jq .metrics.never_on_held_out $record)" ]

# -- rows: train and held-out are all; a sample is no longer than asked for
rows() {
  headscope eval tiny.dump layer1.sae --json -q "$@" | jq .rows
}
[ "$(rows --split all --rows 0)" = $(($(rows --split train --rows 0) + $(rows))) ]
[ "$(rows --split train --rows 300)" = 256 ]
[ "$(rows --dry-run)" = "$(rows)" ]

# -- the same for any number of threads
headscope eval tiny.dump layer1.sae --json -q --threads 1 --with layer0.sae \
  >one.json
headscope eval tiny.dump layer1.sae --json -q --threads 3 --with layer0.sae \
  >three.json
cmp one.json three.json

# -- another SAE: itself is found whole, another seed's in part
headscope eval tiny.dump layer0.sae --with layer0.sae --json -q |
  jq -e '.with.all | .above_0_9 == 1 and .mutual == 1 and
    (.mean_cosine - 1 | fabs) < 1e-6 and .features == 512' >/dev/null
headscope eval tiny.dump layer0.sae --with seed1.sae --json -q |
  jq -e '.with | .sae == "seed1" and .other_features == 300 and
    .all.mean_cosine < 0.95 and .all.mutual <= 300 / 512 and
    .all.above_0_9 <= .all.above_0_7 and .alive.features < 512' >/dev/null

# -- for a person
headscope eval tiny.dump layer1.sae --with layer0.sae -q >table.log
grep -q '^layer1: layer 1, 512 features, .* rows (held-out)$' table.log
grep -q '^FVU  *0\.' table.log
grep -q '^L1H7  *0\.' table.log
grep -q '^share above 0.7 ' table.log

# -- not its dump: all rows, and it says so
cp -r tiny.dump other.dump
sed -i 's/"model": "[^"]*"/"model": "other"/' other.dump/manifest.json
headscope eval other.dump layer1.sae --json >other.json 2>err.log
grep -q 'measuring all rows' err.log
jq -e '.split == "all" and .train_fvu == null and .fvu_gap == null' other.json \
  >/dev/null
refuse 2 "training rows are not known" eval other.dump layer1.sae --split train
# nor one that is not of headscope
cp -r layer1.sae foreign.sae
rm foreign.sae/headscope.json
headscope eval tiny.dump foreign.sae --json 2>err.log |
  jq -e '.split == "all"' >/dev/null
# one head of another trainer: cfg.json names it, and eval takes its rows
headscope train tiny.dump --layer 1 --per-head --heads 3 -o head -m 128 -k 4 \
  --tokens 8k --batch 512 -q >out.log
mv head/* head.sae
cp -r head.sae lone.sae
rm lone.sae/headscope.json
headscope eval tiny.dump head.sae --split all --json -q >head.json
headscope eval tiny.dump lone.sae --json -q >lone.json 2>err.log
[ "$(jq .fvu head.json)" = "$(jq .fvu lone.json)" ] ||
  fail "head 3: $(cat head.json lone.json)"
refuse 2 "takes head 3 alone" encode tiny.dump lone.sae -o lone.db -q
sed -i 's/"hook_head_index": 3/"hook_head_index": 8/' lone.sae/cfg.json
refuse 2 "is for head 8" eval -q tiny.dump lone.sae
# bare arrays
headscope capture "$MODEL" --text tiny.txt -o f32.dump --layers 1 --dtype f32 \
  --context 64 -q >out.log
headscope eval f32.dump/layer*.safetensors foreign.sae --first-layer 1 \
  --layout tokens,heads,d_head --rows 0 --json -q 2>err.log >bare.json
headscope eval f32.dump foreign.sae --rows 0 --json -q 2>err.log >folder.json
cmp bare.json folder.json

# -- metrics.jsonl: every 7 steps and at the end, every line with every figure
curve=seed1.sae/metrics.jsonl
[ "$(jq -s -c 'map(.step)' $curve)" = "[7,14,21,28,35,40]" ]
jq -s -e 'all(.[]; (.per_head_fvu | length) == 8 and .held_out_fvu > 0 and
  .batch_fvu > 0 and .l0 > 0 and .dead_fraction >= 0 and .loss > 0 and
  .tokens == .step * 1024)' $curve >/dev/null
# The heads' figures lie around that of the whole.
jq -s -e 'all(.[]; (.per_head_fvu | min) < .held_out_fvu and
  (.per_head_fvu | max) > .held_out_fvu)' $curve >/dev/null
jq -s -e 'all(.[]; .train_fvu > 0 and .fvu_legacy > 0 and .pca_fvu > 0 and
  .fvu_error_variance > 0 and .fvu_error_variance <= .held_out_fvu and
  .pca_rank == (.held_out_l0 | round) and .length_ratio > 0 and
  .relative_bias > 0 and (.density_histogram | length) == 16 and
  (.density_histogram | add) == .alive and
  (.fvu_gap - (.held_out_fvu - .train_fvu) | fabs) < 1e-12)' $curve >/dev/null ||
  fail "$(cat $curve)"
# Where the rule of training is that of the SAE, and a line may rest on all the
# rows of headscope.json, it has the same figures. Catches figures in scaled
# units, of other rows, or under each other's names.
headscope train tiny.dump --layer 0 -o last.sae --features 300 -k 16 --batch 1k \
  --tokens 40k --architecture topk --metrics-every 40 -q >out.log
jq -e '.dump.held_out_rows <= 1000' last.sae/headscope.json >/dev/null
# agree KEY PATH: a figure or array of the line, and that of headscope.json
agree() {
  jq -s -e "[.[0].$1, .[1].metrics.$2] | map([.] | flatten) | transpose |
    length > 0 and all(.[]; (.[0] - .[1] | fabs) < 1e-5 * (.[1] | fabs) + 1e-6)
    " last.sae/metrics.jsonl last.sae/headscope.json >/dev/null ||
    fail "$1: $(jq -c ".$1" last.sae/metrics.jsonl), but headscope.json has $(
      jq -c ".metrics.$2" last.sae/headscope.json)"
}
agree held_out_fvu fvu
agree held_out_l0 l0
agree density_histogram density_histogram.features
for key in train_fvu fvu_gap fvu_legacy fvu_error_variance l1 mse cosine \
  length_ratio relative_bias alive pca_rank pca_fvu per_head_fvu; do
  agree $key $key
done
# The database has them all, arrays as one row for each number.
headscope encode tiny.dump last.sae -o curve.db -q >out.log
sqlite3 curve.db "SELECT count(*) FROM metric WHERE step = 40" >count.log
[ "$(cat count.log)" = "$(jq '[del(.step) | .[]] | flatten | length' \
  last.sae/metrics.jsonl)" ]
[ "$(sqlite3 curve.db "SELECT CAST(sum(value) AS INTEGER) FROM metric
    WHERE name LIKE 'density_histogram[%]'")" = \
  "$(jq .alive last.sae/metrics.jsonl)" ]

# -- bad input
refuse 1 "missing arguments" eval tiny.dump
refuse 2 "no-such.sae" eval -q tiny.dump no-such.sae
refuse 2 "no-such.dump" eval -q no-such.dump layer1.sae
refuse 2 "layer 7 is not in tiny.dump, which has layers 0 to 1" \
  eval -q tiny.dump layer1.sae --layer 7
refuse 2 "--layer x" eval -q tiny.dump layer1.sae --layer x
refuse 2 "must be one of held-out|train|all" eval tiny.dump layer1.sae \
  --split test
refuse 2 "no-such.sae" eval -q tiny.dump layer1.sae --with no-such.sae
npy narrow.npy \
  "{'descr': '<f4', 'fortran_order': False, 'shape': (300, 4, 32), }" 153600
for at in 8000 36000; do # 1.0 in a row of either block of 256
  printf '\x00\x00\x80\x3f' | dd of=narrow.npy bs=4 seek=$at conv=notrunc \
    status=none
done
headscope train narrow.npy --layout tokens,heads,d_head -m 32 -k 4 --tokens 1k \
  --batch 64 -o narrow.sae -q >out.log
refuse 2 "heads that the dump does not have" eval -q narrow.npy layer1.sae \
  --layer 0 \
  --layout tokens,heads,d_head
refuse 2 "only features of one width" eval -q tiny.dump layer1.sae \
  --with narrow.sae
cp -r layer1.sae empty.sae
sed -i 's/"held-out": [0-9.]*/"held-out": 0.0/' empty.sae/headscope.json
refuse 2 "held out no rows" eval -q tiny.dump empty.sae
headscope eval tiny.dump empty.sae --split all -q >out.log
cp -r layer1.sae moved.sae
sed -i 's/"held_out_rows": /"held_out_rows": 1/' moved.sae/headscope.json
refuse 2 "rows were held out, but" eval -q tiny.dump moved.sae
cp -r layer1.sae silent.sae
sed -i 's/blocks.1.attn.hook_z//' silent.sae/cfg.json
headscope eval -q tiny.dump silent.sae >out.log # headscope.json knows the layer
jq 'del(.layer)' layer1.sae/headscope.json >silent.sae/headscope.json
refuse 2 "does not say which layer" eval -q tiny.dump silent.sae
headscope eval tiny.dump silent.sae --layer 1 --json -q | jq 'del(.sae)' >a.json
jq 'del(.sae)' eval.json | cmp - a.json
cp -r tiny.dump broken.dump
printf '\x01' | dd of="$(ls broken.dump/layer01*)" bs=1 seek=5000 conv=notrunc \
  status=none
refuse 2 "layer01" eval -q broken.dump layer1.sae
