# ReLU, JumpReLU and gated SAEs from the command line: what they are written as,
# the L0 that they are steered to, equal bytes for any number of threads and
# after a kill, resampling, presets, and what is refused.
. "$SOURCE/tests/common.sh"
need jq
find . -mindepth 1 -delete
make_dump

options=(tiny.dump --layer 0 -m 256 -k 8 --batch 256 --rate 2e-3 --quiet
  --tokens 100k --dead-tokens 10k --checkpoint 40)
# train ARGUMENT...
train() {
  headscope train "${options[@]}" "$@" >train.log
}
same() {
  diff -r -x timing.json "$1" "$2" || fail "$1 and $2 differ"
}

# -- each, beside what it is written as
for pair in relu:standard jumprelu:jumprelu gated:jumprelu; do
  a=${pair%:*}
  own=(--architecture $a)
  # ReLU is also resampled, and its power annealed.
  [ $a = relu ] && own+=(--resample 2 --resample-every 30 --resample-window 20
    --p-end 0.7)
  [ $a = jumprelu ] && own+=(--pull 0.1)
  train "${own[@]}" -o $a.sae --threads 1
  train "${own[@]}" -o two.sae --threads 2 --force
  same $a.sae two.sae
  [ "$(jq -r .architecture $a.sae/cfg.json)" = ${pair#*:} ]
  jq -e --arg a $a '.training_architecture == $a' $a.sae/headscope.json \
    >/dev/null
  # The rows are few and seen often, so others than those that train have more.
  jq -s -e '.[-1].l0 > 6.5 and .[-1].l0 < 9.5 and .[-1].batch_fvu < 0.6' \
    $a.sae/metrics.jsonl >/dev/null ||
    fail "$a: $(tail -n 1 $a.sae/metrics.jsonl)"
  # λ is in the curve, and was changed on the way.
  jq -s -e 'map(.lambda) | min < max' $a.sae/metrics.jsonl >/dev/null
  # Killed once it has a checkpoint, it ends in the same bytes.
  rm -rf part.sae
  "$HEADSCOPE" train "${options[@]}" "${own[@]}" -o part.sae --threads 2 \
    >>train.log 2>err.log </dev/null &
  pid=$!
  for ((i = 0; i < 3000; i++)); do
    [ ! -e .part.sae.partial/checkpoint/state.safetensors ] &&
      kill -0 $pid 2>/dev/null || break
    sleep 0.01
  done
  kill -KILL $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  train "${own[@]}" -o part.sae --resume --threads 1
  same $a.sae part.sae
  # What others do with an SAE they do with it.
  headscope encode tiny.dump $a.sae -q -o $a.db >encode.log
  train "${own[@]}" --start $a.sae --rate 1e-9 --tokens 512 --resample 0 \
    -o again.sae --force
  jq -s -e '(.[0].metrics.fvu - .[1].metrics.fvu | fabs) < 2e-3' \
    $a.sae/headscope.json again.sae/headscope.json >/dev/null ||
    fail "$a: --start begins elsewhere"
done

# A resampled feature is another one. Catches resampling that is not done.
train --architecture relu --p-end 0.7 -o without.sae
! cmp -s relu.sae/sae_weights.safetensors without.sae/sae_weights.safetensors ||
  fail "nothing was resampled"
# Windows side by side: hardly a feature is silent in one. Catches a window that
# is emptied before it is looked at, after which all begin anew for which there
# is a row.
headscope train "${options[@]/--quiet/--verbose}" --architecture relu \
  --resample 2 --resample-every 30 --resample-window 30 -o side.sae 2>side.log \
  >train.log
for step in 30 60; do
  n=$(sed -n "s/.*step $step: \([0-9]*\) features begin anew.*/\1/p" side.log)
  [ "$n" -lt 100 ] || fail "$n features begin anew at step $step"
done

# -- a fixed coefficient, other penalties
for own in "relu --lambda 0.5 --free-rows" "jumprelu --penalty target" \
  "jumprelu --penalty tanh" "relu --penalty tanh --lambda 2"; do
  # shellcheck disable=SC2086
  train --architecture $own --tokens 20k -o other.sae --force
done

# -- presets: every value is printed, and what is typed goes before
headscope train --preset kissane --print-config >kissane.json
jq -e '.architecture == "relu" and .resample == 4 and .beta2 == 0.99 and
  .["warmup-floor"] == 0.1 and .["raw-inputs"] and .expansion == 32 and
  .preset == "kissane"' kissane.json >/dev/null
headscope train --config kissane.json --print-config | cmp - kissane.json
headscope train --rate 1e-3 --preset kissane --print-config |
  jq -e '.rate == 1e-3 and .beta2 == 0.99' >/dev/null
echo '{"preset": "oneill", "features": 50}' >preset.json
headscope train --config preset.json --print-config |
  jq -e '.features == 50 and .["unit-encoder"] and .lambda == 0.02' >/dev/null
headscope train tiny.dump --layer 0 --shared-heads --preset oneill --tokens 5k \
  --batch 256 -q -o oneill.sae >train.log
[ "$(jq .d_sae oneill.sae/cfg.json)" = 200 ]
headscope train tiny.dump --layer 0 --preset kissane --tokens 5k --batch 256 \
  --expansion 1 --warmup 3 -q -o kissane.sae >train.log
jq -e '.input_scale == 1' kissane.sae/headscope.json >/dev/null

# -- refused
# refuse_train WORDS ARGUMENT...
refuse_train() {
  local words=$1
  shift
  refuse 2 "$words" train "${options[@]}" "$@" -o bad.sae
}
refuse_train 'only thresholds learn' --architecture relu --penalty l0
refuse_train '--free-rows is for relu' --architecture gated --free-rows
refuse_train '--free-rows is for relu' --free-rows
refuse_train '--p-end is the power' --architecture jumprelu --p-end 0.5
refuse_train 'more than the 256 features' --architecture relu --target-l0 300
refuse_train 'resample-window is more' --architecture relu --resample 1 \
  --resample-every 10 --resample-window 20
refuse_train 'there is only kissane, oneill' --preset nobody
refuse_train 'preset is the same for all' --sweep preset=kissane,oneill
