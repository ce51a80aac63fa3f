# One SAE of several whose loss is not finite: it is named and stays as its last
# checkpoint, the others are trained to the end, and --resume works for them.
. "$SOURCE/tests/common.sh"
need jq
need python3
find . -mindepth 1 -delete

# Two heads of two numbers. Scale and mean come from 1024 rows of every 2048;
# row 1500 is none of them, and what head 0 has there leaves float as it is
# squared. The same file has two layers of one head.
python3 - <<'P'
import array, random
draw = random.Random(1)
rows = array.array("f", [draw.gauss(0, 1) for _ in range(8192)]) * 1024
rows[4 * 1500] = 3e38
for name, shape in ("heads", "2097152, 2, 2"), ("layers", "2097152, 2, 1, 2"):
    head = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }" % shape
    head += " " * (-(len(head) + 11) % 64) + "\n"
    with open(name + ".npy", "wb") as f:
        f.write(b"\x93NUMPY\x01\0" + len(head).to_bytes(2, "little"))
        f.write(head.encode())
        rows.tofile(f)
P
options=(-m 8 -k 1 --batch 64k --tokens 2M --held-out 0.01 --checkpoint 5 -q)
heads=(train heads.npy --layout tokens,heads,d_head --per-head "${options[@]}")

# fails STATUS ARGUMENT...: headscope ends so
fails() {
  local status=0 want=$1
  shift
  "$HEADSCOPE" "$@" >out.log 2>err.log </dev/null || status=$?
  [ $status = "$want" ] || fail "status $status: $* $(cat err.log)"
}
# says WORDS...: the error, which is the last line
says() {
  local words
  tail -n 1 err.log | grep -q '^headscope train: ' || fail "$(cat err.log)"
  for words; do
    tail -n 1 err.log | grep -qF -- "$words" ||
      fail "does not say '$words': $(cat err.log)"
  done
}
# holds FOLDER NAME...: these SAEs and no other
holds() {
  local folder=$1
  shift
  [ "$(ls "$folder" | tr '\n' ' ')" = "$* " ] ||
    fail "$folder holds $(ls "$folder"), not $*"
}
same() {
  diff -r -x timing.json "$1" "$2" || fail "$1 and $2 differ"
}
one=layer0.head0.sae other=layer0.head1.sae

# -- the other is that of a run without the one
headscope "${heads[@]}" --heads 1 -o whole >out.log
fails 2 "${heads[@]}" -o two
says "two/$one: the loss is not finite at step " "; the last good checkpoint is" \
  "; a --rate lower than" "; the other is trained to the end and written"
grep -q "^two/$other: layer 0" out.log || fail "$(cat out.log)"
holds two $other
same whole/$other two/$other
# It is said when it happens, too, for the others may take hours.
[ "$(grep -c 'is not finite' err.log)" = 2 ] || fail "$(cat err.log)"
step=$(sed -n '1s/.*at step \([0-9]*\);.*/\1/p' err.log)
saved=$(sed -n '1s/.*is that of step \([0-9]*\);.*/\1/p' err.log)
[ "$saved" = $(((step - 1) / 5 * 5)) ] || fail "step $step, saved $saved"

# -- --resume passes over what is finished, trains what is missing, and comes to
# the same step with the one. Catches a checkpoint of weights that are not
# finite, and one SAE that keeps the others from being gone on with.
state=two/.$one.partial/checkpoint/state.safetensors
cp $state before
touch -d '2020-01-01' two/$other/cfg.json
fails 2 "${heads[@]}" -o two --resume
says "not finite at step $step; the last good checkpoint is that of step $saved"
grep -q "^two/$other: finished" out.log || fail "$(cat out.log)"
[ two/$other/cfg.json -ot before ] || fail "a finished SAE was written again"
rm -r two/$other
fails 2 "${heads[@]}" -o two --resume
same whole/$other two/$other
cmp before $state || fail "the checkpoint has changed"

# -- interrupted before the first step, while the rows are looked at: what is
# there stays, and the message does not say that there is nothing. Signals that
# come before the program can catch them, or after a step, are tried again from
# the same state; on a busy computer none may meet the moment.
# early FOLDER ARGUMENT...: with the message in err.log
early() {
  local pid status moment folder=$1
  shift
  rm -rf kept
  [ ! -e "$folder" ] || cp -a "$folder" kept
  for moment in 0.0{3..9} 0.{10..60..2}; do
    "$HEADSCOPE" "$@" >out.log 2>err.log </dev/null &
    pid=$! status=0
    sleep "$moment"
    kill -TERM $pid 2>/dev/null || true
    wait $pid 2>/dev/null || status=$?
    if [ $status = 143 ] && grep -q 'before the first step' err.log; then
      return 0
    fi
    rm -rf "$folder"
    [ ! -e kept ] || cp -a kept "$folder"
  done
  printf 'no signal came before the first step of %s\n' "$folder"
  return 1
}
rm -r two/$other
if early two "${heads[@]}" -o two --resume; then
  says "interrupted before the first step of two/$other; the checkpoints of" \
    "--resume goes on"
  cmp before $state || fail "the checkpoint has changed"
fi
if early early "${heads[@]}" -o early; then
  says "interrupted before the first step of early/$one; nothing is written of it"
  [ ! -e early ] || fail "left $(ls -A early)"
fi

# -- killed or interrupted after that: the other goes on from its checkpoint
headscope "${heads[@]}" --heads 1 --tokens 4M -o longer >out.log
for signal in KILL TERM; do
  rm -rf two
  : >err.log
  "$HEADSCOPE" "${heads[@]}" --tokens 4M -o two >out.log 2>err.log </dev/null &
  pid=$! status=0
  for ((i = 0; i < 3000; i++)); do
    ! grep -q "is not finite" err.log && kill -0 $pid 2>/dev/null || break
    sleep 0.02
  done
  sleep 0.1
  kill -$signal $pid 2>/dev/null || true
  wait $pid || status=$?
  case $status in
    2) echo "it was over before SIG$signal" ;;
    137) [ -e two/.$other.partial/checkpoint/state.safetensors ] ;;
    143) says 'interrupted after ' "two/$other" "two/$one: the loss is not" ;;
    *) fail "status $status after SIG$signal: $(cat err.log)" ;;
  esac
  fails 2 "${heads[@]}" --tokens 4M -o two --resume
  says "two/$one: the loss is not finite at step "
  same longer/$other two/$other
done

# -- several of several
fails 2 "${heads[@]}" --sweep "k=1,2" -o four
says "four/layer0.head0.k1.sae: the loss is not finite" \
  "; with it 1 more failed; the other 2 are trained to the end and written"
holds four layer0.head1.k1.sae layer0.head1.k2.sae
grep -q '^four/layer0.head0.k2.sae: the loss' err.log || fail "$(cat err.log)"
# all of them
fails 2 "${heads[@]}" --heads 0 --sweep "k=1,2" -o none --json
says "none/layer0.head0.k1.sae: the loss is not finite" "; with it 1 more failed"
jq -e '.error' out.log >/dev/null
[ -z "$(ls none)" ] || fail "wrote $(ls none)"

# -- another layer does not hang on it either
layers=(train layers.npy --layout tokens,layers,heads,d_head "${options[@]}")
fails 2 "${layers[@]}" --layer all -o layers
says "layers/layer0.sae: the loss is not finite"
holds layers layer1.sae
headscope "${layers[@]}" --layer 1 -o layer1.sae >out.log
same layer1.sae layers/layer1.sae
