# A capture that is killed (SIGKILL, Ctrl-C) goes on at a shard, to the bytes of
# one that was not; other work under the same name does not take what is left.
# LIFE_KILLS runs are killed at random moments; with more than a few, more kinds
# of other work are tried.
. "$SOURCE/tests/common.sh"
find . -mindepth 1 -delete

# Three shards of 131,072 rows; the first layer alone is soon done.
corpus=$MODEL/corpus.txt
kills=${LIFE_KILLS:-2}
RANDOM=${SEED:-$$}
capture() {
  "$HEADSCOPE" capture "$MODEL" --text "$corpus" --layers 0 "$@" \
    >out.log 2>err.log </dev/null
}
# complete NAME: shards that .NAME.partial says are complete
complete() {
  cat ".$1.partial/unfinished.json" 2>/dev/null | grep -c '"file"' || true
}

# begun NAME SHARDS ARGUMENT...: a capture in the background that has come so
# far; its process is $pid.
begun() {
  local name=$1 shards=$2 i
  shift 2
  "$HEADSCOPE" capture "$MODEL" --text "$corpus" --layers 0 -o "$name" "$@" \
    >out.log 2>err.log </dev/null &
  pid=$!
  for ((i = 0; i < 3000; i++)); do
    [ "$(complete "$name")" -lt "$shards" ] || return 0
    kill -0 $pid 2>/dev/null || fail "over before shard $shards: $(cat err.log)"
    sleep 0.01
  done
  fail "no shard $shards: $(cat err.log)"
}
same() {
  diff -r whole.dump "$1" || fail "$1 differs"
  [ ! -e ".$1.partial" ]
}

from=${EPOCHREALTIME/./}
capture -o whole.dump
took=$(((${EPOCHREALTIME/./} - from) / 1000))
[ ! -e whole.dump/unfinished.json ]

# -- behind one shard and behind two; with another number of threads
for shards in 1 2; do
  begun x.dump $shards --threads 1
  kill -9 $pid
  wait $pid || true
  [ ! -e x.dump ] && [ "$(complete x.dump)" -ge $shards ]
  capture -o x.dump --threads 2
  grep -q '^x.dump: .* of 33[0-9]k tokens are there already; going on$' \
    err.log || fail "$(cat err.log)"
  same x.dump
  rm -r x.dump
done

# -- Ctrl-C says what it keeps
begun x.dump 1
kill -INT $pid
status=0
wait $pid || status=$?
[ $status = 130 ] || fail "ended with $status: $(cat err.log)"
grep -q 'tokens are kept, and the same command goes on' err.log ||
  fail "$(cat err.log)"
# A shard that has been changed does not count.
printf x | dd of=.x.dump.partial/layer00-00000.safetensors bs=1 seek=5000 \
  conv=notrunc status=none
capture -o x.dump
! grep -q 'there already' err.log || fail "took a spoiled shard"
same x.dump
rm -r x.dump

# -- other work takes nothing
others=("--bos never" "--fold-value-biases")
[ "$kills" -lt 5 ] ||
  others+=("--dtype f32" "--context 100" "--layers 1" "--tokens 300k")
for other in "${others[@]}"; do
  begun x.dump 1
  kill -9 $pid
  wait $pid || true
  # shellcheck disable=SC2086
  "$HEADSCOPE" capture "$MODEL" --text "$corpus" --layers 0 $other \
    -o x.dump >out.log 2>err.log </dev/null
  grep -q 'what another capture left unfinished is removed' err.log ||
    fail "$other: $(cat err.log)"
  ! grep -q 'there already' err.log || fail "$other took what was left"
  headscope info --verify x.dump >out.log
  [ ! -e x.dump/unfinished.json ]
  rm -r x.dump
done

# -- at random moments
went_on=0
for ((i = 0; i < kills; i++)); do
  moment=$((RANDOM % (took + 10)))
  printf -v moment '%d.%03d' $((moment / 1000)) $((moment % 1000))
  "$HEADSCOPE" capture "$MODEL" --text "$corpus" --layers 0 -o x.dump \
    >out.log 2>err.log </dev/null &
  pid=$!
  sleep "$moment"
  kill -9 $pid 2>/dev/null || true
  wait $pid 2>/dev/null || true
  if [ ! -e x.dump ]; then
    capture -o x.dump || fail "after $moment s: $(cat err.log)"
    ! grep -q 'there already' err.log || went_on=$((went_on + 1))
  fi
  same x.dump
  rm -r x.dump
done
echo "$kills killed; $went_on went on behind complete shards"
