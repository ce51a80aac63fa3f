# Which rows an SAE is trained on: layers, heads, all heads in turn, what is
# left out, and more rows than memory holds. A run that shares a reading with
# others gives the bytes of one that is alone.
. "$SOURCE/tests/common.sh"
need jq
need python3
find . -mindepth 1 -delete
make_dump

options=(-m 64 -k 4 --tokens 4k --batch 256 -q)
# train ARGUMENT...: of tiny.dump
train() {
  headscope train tiny.dump "${options[@]}" "$@" >train.log
}
# same_weights A.sae B.sae
same_weights() {
  cmp "$1/sae_weights.safetensors" "$2/sae_weights.safetensors" ||
    fail "the weights of $1 and $2 differ"
}
# other_weights A.sae B.sae
other_weights() {
  ! cmp -s "$1/sae_weights.safetensors" "$2/sae_weights.safetensors" ||
    fail "the weights of $1 and $2 are the same"
}
# record NAME.sae FILTER: of headscope.json
record() {
  jq -c "$2" "$1/headscope.json"
}
# names FOLDER WORD...: what it holds
names() {
  local folder=$1
  shift
  [ "$(ls -A "$folder" | tr '\n' ' ')" = "$* " ] ||
    fail "$folder holds $(ls -A "$folder"), not $*"
}
# d_in FOLDER: the input widths of the SAEs there, each once
d_in() {
  jq .d_in "$1"/*.sae/cfg.json | sort -u
}

# -- every layer: the SAEs of separate runs. Catches state that one job leaves
# for the next, and a layer's number taken for its place.
train --layer all -o all
names all layer0.sae layer1.sae
for layer in 0 1; do
  train --layer $layer -o layer$layer.sae
  same_weights all/layer$layer.sae layer$layer.sae
  [ "$(jq -r .metadata.hook_name all/layer$layer.sae/cfg.json)" = \
    "blocks.$layer.attn.hook_z" ]
done
other_weights layer0.sae layer1.sae

# -- an SAE for each head: that of a run on this head's columns alone. Catches
# columns, a scale, a mean or a decoder that belong to another head.
train --layer 0 --per-head -o heads
names heads layer0.head{0,1,2,3,4,5,6,7}.sae
[ "$(d_in heads)" = 32 ] || fail "not 32: $(d_in heads)"
train --layer 0 --per-head --heads 0,3 -o two
names two layer0.head{0,3}.sae
train --layer all --per-head --heads 3 -o both
names both layer0.head3.sae layer1.head3.sae
for head in 0 3; do
  train --layer 0 --heads $head -o head$head.sae
  same_weights heads/layer0.head$head.sae head$head.sae
  same_weights two/layer0.head$head.sae head$head.sae
  for folder in heads two; do
    [ "$(record $folder/layer0.head$head.sae '.rows | [.kind, .layers, .heads]
      ')" = "[\"head\",[0],[$head]]" ]
  done
done
other_weights head0.sae head3.sae
same_weights both/layer0.head3.sae head3.sae
other_weights both/layer0.head3.sae both/layer1.head3.sae
# Several heads side by side, and all of them by name, which is no choice.
train --layer 0 --heads 0,3 -o pair.sae
[ "$(jq .d_in pair.sae/cfg.json)" = 64 ]
[ "$(record pair.sae '[.heads, .rows.heads]')" = '[2,[0,3]]' ]
train --layer 0 --heads 0,1,2,3,4,5,6,7 -o eight.sae
same_weights eight.sae layer0.sae

# -- one SAE for all heads, each of which gives a row. Catches rows that are
# counted as tokens, and layers that are left away.
train --layer 0 --shared-heads -o shared.sae
train --layer all --shared-heads -o shared_all.sae
for name in shared shared_all; do
  [ "$(jq .d_in $name.sae/cfg.json)" = 32 ]
done
[ "$(record shared.sae .rows)" = \
  '{"kind":"heads","layers":[0],"heads":[0,1,2,3,4,5,6,7]}' ]
[ "$(record shared_all.sae '[.rows.kind, .rows.layers]')" = '["heads",[0,1]]' ]
jq -e '.dump | .train_rows + .held_out_rows == 8 * .tokens' \
  shared.sae/headscope.json >/dev/null
jq -e '.dump | .train_rows + .held_out_rows == 16 * .tokens' \
  shared_all.sae/headscope.json >/dev/null
other_weights shared.sae shared_all.sae
# One head in turn is that head.
train --layer 0 --shared-heads --heads 3 -o one.sae
same_weights one.sae head3.sae

# -- left out: the first token of every context
contexts=$(headscope info --json tiny.dump | jq '.items[0].contexts')
train --layer 0 --skip-bos -o skip.sae
[ "$(record skip.sae '[.dump.left_out, .training.options["skip-bos"]]')" = \
  "[$contexts,true]" ]
jq -e '.dump | .train_rows + .held_out_rows + .left_out == .tokens' \
  skip.sae/headscope.json >/dev/null
[ "$(record layer0.sae '[.dump.left_out, .training.options["skip-bos"]]')" = \
  '[0,false]' ]
other_weights skip.sae layer0.sae

# rows.npy: 60 contexts of 10 tokens in layout contexts,positions,heads,d_head.
# plant TIMES INDEX...: with these tokens so many times as long
plant() {
  python3 - "$@" <<'P'
import array, random, struct, sys
draw = random.Random(1)
rows = [[draw.gauss(0, 1) for _ in range(8)] for _ in range(600)]
for i in map(int, sys.argv[2:]):
    rows[i] = [float(sys.argv[1]) * x for x in rows[i]]
head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (60, 10, 2, 4), }"
head += b" " * (-(len(head) + 11) % 64) + b"\n"
with open("rows.npy", "wb") as f:
    f.write(b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head)
    array.array("f", sum(rows, [])).tofile(f)
P
}
layout=(--layout contexts,positions,heads,d_head)
train_array() {
  headscope train rows.npy -m 16 -k 2 --tokens 3k --batch 64 -q \
    --held-out 0.1 "$@" >train.log
}
# Rows of any length must not change the SAE once they are left out. Catches a
# count that is right while other rows, or none, are kept out of training, of
# the mean and scale, or of the held-out rows.
outliers=(7 230 231 599)
for times in 50 500; do
  plant $times "${outliers[@]}"
  train_array "${layout[@]}" --skip-outliers 10.5 -o long$times.sae
  [ "$(record long$times.sae \
    '[.dump.left_out, .training.options["skip-outliers"]]')" = '[4,10.5]' ] ||
    fail "left out: $(record long$times.sae .dump)"
  train_array "${layout[@]}" -o kept$times.sae
done
same_weights long50.sae long500.sae
other_weights kept50.sae kept500.sae
# The first tokens are 0, 10, 20, ...; 230 is one of the outliers too and
# counts once.
plant 50 "${outliers[@]}"
train_array "${layout[@]}" --skip-outliers 10.5 --skip-bos -o both.sae
[ "$(record both.sae .dump.left_out)" = 63 ]
for times in 2 3; do
  plant $times {0..590..10}
  train_array "${layout[@]}" --skip-bos -o first$times.sae
  [ "$(record first$times.sae .dump.left_out)" = 60 ]
done
same_weights first2.sae first3.sae

# -- nothing is left: the run says for what. The draw of the one held-out
# context of four is not ours to know, but it is one. Catches a division by no
# rows.
plant 1
header() {
  printf "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" "$1"
}
# reshape SHAPE: the 4800 values of rows.npy under another shape
reshape() {
  tail -c 19200 rows.npy >values
  npy rows.npy "$(header "$1")" 0
  cat values >>rows.npy
}
small=(train rows.npy -m 16 -k 2 --tokens 256 --batch 64 -q)
refused=0
for context in 0 1 2 3; do
  plant 50 $(seq $((150 * context)) $((150 * context + 149)))
  reshape '4, 150, 2, 4'
  status=0
  headscope "${small[@]}" "${layout[@]}" --held-out 0.25 --skip-outliers 10.5 \
    -o left$context.sae >train.log 2>err.log || status=$?
  [ $status != 0 ] || continue
  [ $status = 2 ] || fail "status $status: $(cat err.log)"
  grep -q 'none is left for measuring' err.log || fail "$(cat err.log)"
  [ ! -e left$context.sae ]
  refused=$((refused + 1))
done
[ $refused = 1 ] || fail "$refused of 4 contexts were held out"
plant 1
refuse 2 'none is left for training' "${small[@]}" "${layout[@]}" \
  --skip-outliers 0.01 -o x.sae
reshape '600, 1, 2, 4'
refuse 2 'none is left for training' "${small[@]}" "${layout[@]}" --skip-bos \
  -o x.sae
# One context of fewer tokens than a block cannot be split.
npy rows.npy "$(header '1, 200, 2, 4')" 6400
refuse 2 'leaves none to train on' "${small[@]}" "${layout[@]}" -o x.sae
# Arrays without contexts: what to do is in the message.
plant 1
reshape '600, 2, 4'
refuse 2 'leave --skip-bos away or give --token-ids' "${small[@]}" \
  --layout tokens,heads,d_head --skip-bos -o x.sae

# -- rows beyond memory: the dump's layer takes 2.7 MB. Several passes over it
# in reservoirs of 1 MB are the same for any number of threads and run; that
# the order is another than with all in memory shows that they were in use.
mkdir twice
for name in once twice/once; do
  train --layer 0 --memory 1M --tokens 16k -o $name.sae --threads 2
done
train --layer 0 --memory 1M --tokens 16k -o alone.sae --threads 1
train --layer 0 --tokens 16k -o roomy.sae
diff -r -x timing.json once.sae twice/once.sae
diff -r -x timing.json once.sae alone.sae
other_weights once.sae roomy.sae
jq -e '.training.tokens_trained > 3 * .dump.train_rows' \
  once.sae/headscope.json >/dev/null
train --layer all --shared-heads --memory 1M --tokens 200k -o big1.sae \
  --threads 1
train --layer all --shared-heads --memory 1M --tokens 200k -o big2.sae \
  --threads 2
diff -r -x timing.json big1.sae big2.sae
