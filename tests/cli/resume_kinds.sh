# Resuming beyond one BatchTopK SAE, which tests/cli/resume.sh has: a sweep,
# Matryoshka, a start in the active subspace. Killed at random moments and
# resumed, with 1 and 2 threads in turn, or ended by SIGTERM, they end in the
# bytes of runs that were not. The rows do not fit into the reservoirs.
. "$SOURCE/tests/common.sh"
need jq
find . -mindepth 1 -delete
make_dump

options=(tiny.dump --layer 0 --features 256 --k 8 --batch 256 --rate 1e-3
  --dead-tokens 10k --checkpoint 5 --quiet --tokens 150k --memory 1M)
# begin ARGUMENT...: in the background; $pid is what a signal reaches.
begin() {
  "$HEADSCOPE" train "${options[@]}" "$@" >>train.log 2>err.log </dev/null &
  pid=$!
}
# end SIGNAL: sends it, if the program still runs; its status in $status
end() {
  status=0
  kill -"$1" $pid 2>/dev/null || true
  wait $pid 2>/dev/null || status=$?
}
same() {
  diff -r -x timing.json "$1" "$2" || fail "$1 and $2 differ"
}
# await FILE: until it is there or the program has ended
await() {
  local i
  for ((i = 0; i < 3000; i++)); do
    [ ! -e "$1" ] && kill -0 $pid 2>/dev/null || break
    sleep 0.01
  done
}

RANDOM=${SEED:-$$}
# killed ARGUMENT...: kills at random moments, each time going on
killed() {
  local kill kills=0 moments= moment
  rm -rf part .part.partial
  for ((kill = 0; kill < 8; kill++)); do
    moment=0.$(printf %03d $((RANDOM % 250 + 50)))
    moments+=" $moment"
    begin "$@" -o part --resume --threads $((kill % 2 + 1))
    sleep "$moment"
    end KILL
    [ $status = 137 ] || break
    kills=$((kills + 1))
  done
  headscope train "${options[@]}" "$@" -o part --resume >>train.log
  same whole part || fail "$*: killed after$moments s"
  [ $kills -ge 2 ] || fail "$*: only $kills kills: the run is too short"
}
# ended PARTIAL ARGUMENT...: SIGTERM once the partial folder has a checkpoint
ended() {
  local partial=$1
  shift
  rm -rf part
  begin "$@" -o part --threads 2
  await "$partial/checkpoint/state.safetensors"
  end TERM
  case $status in
    0) echo "it was over before SIGTERM" ;;
    143)
      grep -q ': interrupted after ' err.log || fail "$(cat err.log)"
      find part -name headscope.json -exec cat {} + >records.log
      grep -q '"finished": false' records.log || fail "$(cat records.log)"
      [ -z "$(find . -name '.*.partial')" ] || fail "left $(ls -A . part)"
      headscope train "${options[@]}" "$@" -o part --resume --threads 1 \
        >>train.log
      ;;
    *) fail "status $status after SIGTERM: $(cat err.log)" ;;
  esac
  same whole part
}
# all_ways PARTIAL ARGUMENT...
all_ways() {
  rm -rf whole
  headscope train "${options[@]}" "${@:2}" -o whole --threads 2 >>train.log
  killed "${@:2}"
  ended "$@"
}

sweep=(--sweep "k=4,8 rate=1e-3,2e-3")
all_ways part/.layer0.k8.rate2e-3.sae.partial "${sweep[@]}"
[ "$(ls -A part | wc -l)" = 4 ] || fail "part holds $(ls -A part)"

# An SAE of the sweep that cannot take its name, because somebody else has,
# keeps its work and does not keep the others from being written.
rm -rf part
begin "${sweep[@]}" -o part
await part/.layer0.k4.rate2e-3.sae.partial/checkpoint/state.safetensors
mkdir part/layer0.k4.rate2e-3.sae
end 0
[ $status = 2 ] || fail "status $status: $(cat err.log)"
tail -n 1 err.log | grep -q 'layer0.k4.rate2e-3.sae: .*the checkpoint of what '`
  `'was trained is kept.*; the other 3 are trained to the end and written' ||
  fail "$(cat err.log)"
rmdir part/layer0.k4.rate2e-3.sae
headscope train "${options[@]}" "${sweep[@]}" -o part --resume >resume.log
[ "$(grep -c ': finished$' resume.log)" = 3 ] || fail "$(cat resume.log)"
same whole part

all_ways .part.partial --architecture matryoshka --groups 1/8,1/2
jq -e '.training.groups == [32, 128, 256]' whole/headscope.json >/dev/null

all_ways .part.partial --init active
jq -e '.training.options.init == "active"' whole/headscope.json >/dev/null
