# headscope train's options: sweeps, a start from another SAE, options from a
# file, when metrics are taken, what is refused, and a loss that is not finite.
. "$SOURCE/tests/common.sh"
need jq
need python3
find . -mindepth 1 -delete
make_dump

options=(-m 64 --tokens 4k --batch 256 -q --layer 0)
# train ARGUMENT...: of tiny.dump
train() {
  headscope train tiny.dump "${options[@]}" "$@" >train.log
}
# refuse_train WORDS ARGUMENT...
refuse_train() {
  local words=$1
  shift
  refuse 2 "$words" train tiny.dump "${options[@]}" "$@"
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
# steps NAME.sae: of metrics.jsonl
steps() {
  jq -s -c 'map(.step)' "$1/metrics.jsonl"
}

# -- a sweep: its SAEs are those of single runs. Catches batches, random
# numbers, steps or options that runs side by side take from one another.
train --sweep "k=8,16 rate=1e-3,2e-3" -o sweep --json
jq -c '.saes[] | [.output, .k]' train.log >saes.log
single=() want=
for k in 8 16; do
  for rate in 1e-3 2e-3; do
    name=layer0.k$k.rate$rate.sae
    train -k $k --rate $rate -o single.sae --force
    diff -r -x timing.json single.sae sweep/$name
    single+=("$name") want+="[\"sweep/$name\",$k]"$'\n'
  done
done
[ "$(cat saes.log)"$'\n' = "$want" ] || fail "saes: $(cat saes.log)"
[ "$(ls -A sweep)" = "$(printf '%s\n' "${single[@]}" | sort)" ]
other_weights sweep/layer0.k8.rate1e-3.sae sweep/layer0.k8.rate2e-3.sae
other_weights sweep/layer0.k8.rate1e-3.sae sweep/layer0.k16.rate1e-3.sae
# Of other widths, and for each head.
train --sweep "features=32,64" -k 4 --per-head --heads 2 -o wide
for m in 32 64; do
  train -m $m -k 4 --heads 2 -o width$m.sae
  same_weights wide/layer0.head2.features$m.sae width$m.sae
done
# What is there stays and what is missing comes back. Catches SAEs that begin
# where those beside them are.
rm -r sweep/layer0.k16.rate1e-3.sae
train --sweep "k=8,16 rate=1e-3,2e-3" -o sweep --resume
train -k 16 --rate 1e-3 -o single.sae --force
same_weights single.sae sweep/layer0.k16.rate1e-3.sae

# refuse_sweep WORDS SWEEP
refuse_sweep() {
  refuse_train "$1" --sweep "$2" -o bad
}
refuse_sweep "'k' is not NAME=VALUE" 'k'
refuse_sweep "'k=' is not NAME=VALUE" 'rate=1e-3 k='
refuse_sweep "'=8' is not NAME=VALUE" '=8'
refuse_sweep '--sweep' 'k=,'
refuse_sweep 'unknown option --colour' 'colour=red,green'
refuse_sweep 'did you mean --rate' 'rat=1e-3'
refuse_sweep 'unknown option --output' 'output=a,b'
refuse_sweep '--k x' 'k=8,x'
refuse_sweep '--rate 2' 'rate=1e-3,2'
refuse_sweep 'k 600' 'k=8,600'
refuse_sweep "'/'" 'start=some/where'
refuse_sweep '--sweep' 'k=8,8'
refuse_sweep '--sweep' 'k=8 k=16'
# What shapes the one reading: a sweep over it would name SAEs after options
# that they do not have.
for shared in batch=1k,2k tokens=1k,2k held-out=0.1,0.2 memory=1M,2M \
  skip-outliers=2,3 skip-bos=true; do
  refuse_sweep "${shared%%=*} is the same for all" $shared
done
refuse_sweep 'more than 64 values' "k=$(seq -s, 65)"
refuse_sweep 'more than 64 combinations' "k=$(seq -s, 9) features=$(seq -s, 9)"

# -- the start: a step of no length leaves the function as it was, which other
# starts are far from. Catches weights in other units, or without b_dec.
# fvu NAME.sae
fvu() {
  jq .metrics.fvu "$1/headscope.json"
}
train -k 4 --tokens 40k --rate 1e-3 -o start.sae
one=(-k 4 --rate 1e-9 --tokens 256)
train "${one[@]}" --start start.sae -o started.sae
train "${one[@]}" -o random.sae
jq -ne "($(fvu start.sae) - $(fvu started.sae) | fabs) < 1e-3 and
  $(fvu random.sae) > $(fvu start.sae) + 0.05" >/dev/null ||
  fail "FVU $(fvu start.sae), then $(fvu started.sae), $(fvu random.sae)"
# Its width is that of the run, whatever the default.
headscope train tiny.dump --layer 0 -k 4 --tokens 256 --batch 256 -q \
  --start start.sae -o plain.sae >train.log
[ "$(jq .d_sae plain.sae/cfg.json)" = 64 ]
refuse_train '--features 32: start.sae has 64' -m 32 --start start.sae -o x.sae
refuse_train 'rows have 256 numbers, those to train on 32' --heads 1 \
  --start start.sae -o x.sae
refuse_train 'no-such.sae' --start no-such.sae -o x.sae

# -- options from a file: what --print-config shows is what was typed
typed=(--layer 0 -m 64 -k 8 --tokens 4k --batch 256 --rate 1.1e-3 --skip-bos
  --architecture topk --aux 0 --seed 7)
headscope train "${typed[@]}" --print-config >typed.json
jq -e '.k == 8 and .rate == 1.1e-3 and .["skip-bos"] and .layer == "0" and
  .architecture == "topk" and .batch == 256 and .start == null' typed.json \
  >/dev/null
headscope train --config typed.json --print-config | cmp - typed.json
headscope train tiny.dump "${typed[@]}" -q -o typed.sae >train.log
headscope train tiny.dump --config typed.json -q -o file.sae >train.log
diff -r -x timing.json typed.sae file.sae
# The option typed wins, before the file's name or behind it.
headscope train tiny.dump -k 4 --config=typed.json --seed 3 -q -o both.sae \
  >train.log
headscope train tiny.dump "${typed[@]}" -k 4 --seed 3 -q -o typed4.sae \
  >train.log
diff -r -x timing.json typed4.sae both.sae
other_weights typed.sae typed4.sae
# Heads are one option of that name in the file. Catches two options whose
# name is the same, of which the file keeps the last.
headscope train -m 64 -k 4 --tokens 4k --batch 256 --layer 0 --heads 0,3 \
  --per-head --print-config >heads.json
headscope train tiny.dump --config heads.json -q -o heads >train.log
[ "$(ls -A heads | tr '\n' ' ')" = "layer0.head0.sae layer0.head3.sae " ]
for command in capture train eval encode view info bench; do
  twice=$(headscope $command --help |
    sed -n 's/^  \(-., \)\?\(--[a-z0-9-]*\).*/\2/p' | sort | uniq -d)
  [ -z "$twice" ] || fail "headscope $command has two options $twice"
done
[ "$(headscope train --print-config --json | jq -s length)" = 1 ] ||
  fail "--json prints more than one object"
# A number where a text is expected is as good. Catches text that is gone when
# it is read.
echo '{"layer": 0, "k": "4", "rate": "1e-3", "skip-bos": false,
  "start": null}' >file.json
headscope train tiny.dump -m 64 --tokens 4k --batch 256 -q --config file.json \
  -o numbers.sae >train.log
train -k 4 --rate 1e-3 -o words.sae
same_weights numbers.sae words.sae
# refuse_file WORDS JSON
refuse_file() {
  printf '%s' "$2" >file.json
  refuse_train "file.json: $1" --config file.json -o x.sae
}
refuse_file 'unknown option --colour' '{"k": 8, "colour": 1}'
refuse_file 'unknown option --rat; did you mean --rate?' '{"rat": 1e-3}'
refuse_file '--k x: must be a whole number' '{"k": "x"}'
refuse_file '--k 1.5: must be a whole number' '{"k": 1.5}'
refuse_file '--k true' '{"k": true}'
refuse_file '--k false' '{"k": false}'
refuse_file 'k: must be' '{"k": [8, 16]}'
refuse_file 'rate: must be' '{"rate": {"value": 1e-3}}'
refuse_file '--skip-bos no' '{"skip-bos": "no"}'
refuse_file '--skip-bos 0' '{"skip-bos": 0}'
refuse_file '--k 5000: must be between' '{"k": 5000}'
refuse_file '--architecture crosscoder: must be one of' \
  '{"architecture": "crosscoder"}'
refuse_file 'not a JSON object' '[]'
refuse_file 'line 2: no valid JSON' $'{"k": 8,\n"rate": }'
refuse_file 'line 1: no valid JSON: duplicate' '{"k": 8, "k": 9}'
refuse_file 'is empty' ''
refuse_train 'no-such.json' --config no-such.json -o x.sae
refuse_train '--config needs a value' -o x.sae --config

# -- metrics.jsonl: every N steps and at the end; 16 steps in all
train -k 4 --sweep "metrics-every=5,8,100" -o every
[ "$(steps every/layer0.metrics-every5.sae)" = "[5,10,15,16]" ]
[ "$(steps every/layer0.metrics-every8.sae)" = "[8,16]" ]
[ "$(steps every/layer0.metrics-every100.sae)" = "[16]" ]
train -k 4 -o default.sae
[ "$(steps default.sae)" = "$(seq 16 | jq -s -c .)" ]
# Looking at held-out rows must not change what is trained.
same_weights default.sae every/layer0.metrics-every100.sae

# -- bad input
for heads in 9 3,1 3,3 x -1 1,x , 99999999999999999999; do
  refuse_train 'must be ascending numbers from 0 to 7' --heads=$heads -o x.sae
done
refuse_train 'exclude each other' --per-head --shared-heads -o x.sae
for layer in 7 -1 x 0x; do
  refuse_train 'the dump has layers 0 to 1' --layer=$layer -o x.sae
done
refuse 2 'choose one with --layer' train tiny.dump -q -o x.sae
for what in '' --per-head '--layer all'; do
  refuse_train 'k 65 is more than the 64 features' $what -k 65 -o x.sae
done
for rate in 1.5 -1e-3 1e999; do
  refuse_train "--rate $rate: must be" --rate $rate -o x.sae
done
refuse_train '--rate fast: must be a number' --rate fast -o x.sae
refuse_train '--held-out 1: must be between' --held-out 1 -o x.sae
refuse_train 'a warm-up of 100 steps in a run of 16' --warmup 100 -o x.sae
refuse_train '--memory 10: must be between' --memory 10 -o x.sae
refuse 1 '-o NAME.sae is needed' train tiny.dump "${options[@]}"
refuse 1 'missing arguments' train "${options[@]}" -o x.sae
# An SAE that exists, also where several are to come
refuse_train 'start.sae exists' -o start.sae
refuse_train 'start.sae' --resume --force -o start.sae/cfg.json
refuse_train 'start.sae' --per-head -o start.sae
refuse_train 'sweep/layer0.k8.rate1e-3.sae exists' -o sweep \
  --sweep "k=4,8 rate=1e-3"
# An extension is of the same rows. Catches one layer's features trained on
# another, and batches that are counted in other rows.
cp -r default.sae longer.sae
refuse_train 'rows' -k 4 --layer 1 --extend 1k -o longer.sae
refuse_train 'batch' -k 4 --batch 512 --extend 1k -o longer.sae
sed -i 's/"version": [0-9]*/"version": 0/' longer.sae/checkpoint/run.json
refuse_train 'version' -k 4 --extend 1k -o longer.sae

# -- a loss that is not finite. Where the dump is long, scale and mean come
# from 1024 rows of every 2048; row 1500 is none of them, and its values leave
# float as they are squared.
python3 - <<'P'
import array, random, struct
draw = random.Random(1)
rows = array.array("f", [draw.gauss(0, 1) for _ in range(8192)]) * 512
rows[2 * 1500] = 3e38
head = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2097152, 1, 2), }"
head += b" " * (-(len(head) + 11) % 64) + b"\n"
with open("far.npy", "wb") as f:
    f.write(b"\x93NUMPY\x01\0" + struct.pack("<H", len(head)) + head)
    rows.tofile(f)
P
far=(train far.npy --layout tokens,heads,d_head -m 8 -k 1 --batch 64k
  --tokens 2M --held-out 0.01 -q -o far.sae)
# diverge WORDS ARGUMENT...: fails so, with one line in err.log
diverge() {
  local status=0 words=$1
  shift
  "$HEADSCOPE" "${far[@]}" "$@" >train.log 2>err.log || status=$?
  [ $status = 2 ] || fail "status $status: $(cat err.log)"
  [ "$(wc -l <err.log)" = 1 ] || fail "not one line: $(cat err.log)"
  [ ! -s train.log ] || fail "printed on stdout: $(cat train.log)"
  [ ! -e far.sae ] || fail "wrote an SAE"
  for word in 'the loss is not finite at step ' "$words" 'a --rate lower'; do
    grep -qF -- "$word" err.log || fail "does not say '$word': $(cat err.log)"
  done
}
partial=.far.sae.partial
# Without a checkpoint nothing stays.
diverge 'nothing was saved before'
[ ! -e $partial ] || fail "left $partial"
step=$(sed 's/.*at step \([0-9]*\);.*/\1/' err.log)
[ "$step" -gt 1 ] || fail "row 1500 came in step $step"
# The last one before is kept, and a run that goes on from it meets the same
# row at the same step. Catches a checkpoint of weights that are not finite.
diverge "checkpoint is that of step $((step - 1));" --checkpoint 1
if grep -q -e '--resume goes on' err.log; then
  fail "advises to go on to the same row: $(cat err.log)"
fi
state=$partial/checkpoint/state.safetensors
cp $state before
diverge "not finite at step $step; the last good checkpoint is that of step $((
  step - 1))" --checkpoint 1 --resume
cmp before $state || fail "the checkpoint has changed"
[ "$(jq -s length $partial/metrics.jsonl)" = $((step - 1)) ]

# -- and a checkpoint that another version of the program left, or a run with
# other options, the last of them too
refuse 2 'left its checkpoint' "${far[@]}"
refuse 2 'metrics-every' "${far[@]}" --resume --metrics-every 3
refuse 2 'memory' "${far[@]}" --resume --memory 3G
sed -i 's/"version": [0-9]*/"version": 0/' $partial/checkpoint/run.json
refuse 2 'had version 0, this one has' "${far[@]}" --resume
