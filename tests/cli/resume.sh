# The rows take 2.7 MB and the reservoirs 1 MB: data larger than memory.
# A run that is killed anywhere and resumed ends in the bytes of one that was
# not; Ctrl-C saves and can be gone on with; a changed run is refused; a
# finished one can be extended, and an extension resumed.
. "$SOURCE/tests/common.sh"
find . -mindepth 1 -delete
make_dump

options=(tiny.dump --layer 0 --features 256 --k 8 --batch 256 --rate 1e-3
  --dead-tokens 10k --checkpoint 7 --quiet --tokens 400k --memory 1M)
train() {
  headscope train "${options[@]}" "$@" >>train.log
}
# The program itself, so that $pid is what a signal reaches.
begin_train() {
  "$HEADSCOPE" train "${options[@]}" "$@" >>train.log 2>err.log </dev/null &
  pid=$!
}
kill_it() {
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
}
# same A B: equal but for how long they took, and run.json of an extension.
same() {
  diff -r -x timing.json "$1" "$2" || fail "$1 and $2 differ"
}

train -o whole.sae --threads 2
[ -e whole.sae/checkpoint/state.safetensors ]

# Kills at random moments, each time going on, with 1 and 2 threads in turn;
# the moments are printed so that a failure can be looked at.
RANDOM=${SEED:-$$} kills=0
for round in 1 2 3 4; do
  rm -rf part.sae .part.sae.partial
  moments=
  for ((kill = 0; kill < 25; kill++)); do
    moment=0.$(printf %03d $((RANDOM % 300 + 30)))
    moments+=" $moment"
    begin_train -o part.sae --resume --threads $((kill % 2 + 1))
    sleep "$moment"
    kill_it
    [ ! -e part.sae ] || break
    kills=$((kills + 1))
  done
  train -o part.sae --resume
  same whole.sae part.sae || fail "killed after$moments s"
done
[ $kills -ge 6 ] || fail "only $kills kills in all: the run is too short"

# Without --resume the work of a killed run is not thrown away.
rm -rf part.sae
begin_train -o part.sae --tokens 1G --checkpoint 1
for ((i = 0; i < 200; i++)); do
  [ ! -e .part.sae.partial/checkpoint/state.safetensors ] || break
  sleep 0.05
done
kill_it
refuse 2 'left its checkpoint' train "${options[@]}" -o part.sae --tokens 1G
# Another run does not go on with it: the message names what differs.
refuse 2 'options' train "${options[@]}" -o part.sae --resume --tokens 1G \
  --rate 2e-3
refuse 2 'options.features' train "${options[@]}" -o part.sae --resume \
  --tokens 1G --features 512
refuse 2 'seed' train "${options[@]}" -o part.sae --resume --tokens 1G --seed 5
# A checkpoint that is damaged is no place to go on from.
head -c 1000 .part.sae.partial/checkpoint/state.safetensors >cut
cp cut .part.sae.partial/checkpoint/state.safetensors
refuse 2 'state.safetensors' train "${options[@]}" -o part.sae --resume \
  --tokens 1G
train -o part.sae --force
same whole.sae part.sae

# Ctrl-C finishes the step and saves; what is there can be used and gone on
# with.
rm -rf part.sae
begin_train -o part.sae
sleep 0.4
kill -INT $pid
status=0
wait $pid || status=$?
if [ $status = 130 ]; then
  headscope info part.sae >/dev/null
  grep -q '"finished": false' part.sae/headscope.json
  train -o part.sae --resume
fi
same whole.sae part.sae

# An extension goes on from the end, and its own end stays where it was: killed
# or interrupted it is finished by --resume, and can then be extended again.
cp -r whole.sae longer.sae
train -o longer.sae --extend 100k
grep -q '"finished": true' longer.sae/headscope.json
tail -n 1 longer.sae/metrics.jsonl | jq -e '.step == 1954' >/dev/null
for signal in KILL INT; do
  rm -rf again.sae
  cp -r whole.sae again.sae
  begin_train -o again.sae --extend 100k --checkpoint 3
  for ((i = 0; i < 100; i++)); do
    [ ! -e .again.sae.partial/checkpoint/state.safetensors ] || break
    sleep 0.02
  done
  kill -$signal $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  if ! grep -q '"steps": 1954' again.sae/headscope.json ||
    grep -q '"finished": false' again.sae/headscope.json; then
    refuse 2 'finish it with --resume' train "${options[@]}" -o again.sae \
      --extend 100k
  fi
  train -o again.sae --resume
  same longer.sae again.sae
done

# A name that somebody takes meanwhile does not cost the run.
rm -rf part.sae
begin_train -o part.sae
for ((i = 0; i < 100; i++)); do
  [ ! -e .part.sae.partial/checkpoint/state.safetensors ] || break
  sleep 0.02
done
mkdir part.sae
wait $pid && fail "took a folder that it did not make"
[ -e .part.sae.partial/checkpoint/state.safetensors ] || fail "$(cat err.log)"
rmdir part.sae
train -o part.sae --resume
same whole.sae part.sae

# What an exchange of folders leaves when it is killed half-way, the old SAE
# under the partial name, is not taken for a run to go on with.
cp -r whole.sae .longer.sae.partial
rm .longer.sae.partial/checkpoint/state.safetensors
cp -r longer.sae before.sae
train -o longer.sae --resume
same before.sae longer.sae

# A curve that is shorter than its checkpoint, as after a power loss.
rm -rf part.sae
begin_train -o part.sae --tokens 100M --metrics-every 1
for ((i = 0; i < 200; i++)); do
  [ ! -e .part.sae.partial/checkpoint/state.safetensors ] || break
  sleep 0.05
done
kill_it
printf '{' >.part.sae.partial/metrics.jsonl
refuse 2 'metrics.jsonl is shorter' train "${options[@]}" -o part.sae --resume \
  --tokens 100M --metrics-every 1
