# Ctrl-C and SIGTERM in the middle of the work: the status says so, and no half
# output stays under its name.
. "$SOURCE/tests/common.sh"
find . -mindepth 1 -delete
make_dump
cat "$MODEL/corpus.txt" >long.txt

# stop SIGNAL STATUS OUTPUT ARGUMENT...: starts headscope, waits until it
# writes, sends the signal.
stop() {
  local signal=$1 want=$2 output=$3 status=0 pid i
  shift 3
  # A shell's background jobs ignore SIGINT; headscope sets its own handler.
  "$HEADSCOPE" "$@" -o "$output" >out.log 2>err.log </dev/null &
  pid=$!
  for ((i = 0; i < 200; i++)); do
    [ ! -e ".$output.partial" ] || break
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
  done
  sleep 0.2
  kill -s "$signal" $pid 2>/dev/null || fail "it was over at once: $(cat err.log)"
  wait $pid || status=$?
  [ $status = "$want" ] || fail "$* ended with $status: $(cat err.log)"
  grep -q "^headscope $1: " err.log || fail "$* did not say why it stopped"
}

stop INT 130 x.dump capture "$MODEL" --text long.txt
[ ! -e x.dump ] && [ ! -e .x.dump.partial ]
stop TERM 143 y.dump capture "$MODEL" --text long.txt
[ ! -e y.dump ] && [ ! -e .y.dump.partial ]

stop INT 130 x.sae train tiny.dump --layer 0 --tokens 1G
[ ! -e .x.sae.partial ]
# train may keep what it has, but then it is a whole SAE.
[ ! -e x.sae ] || headscope info x.sae | grep -q '^kind *sae$'

# encode keeps the SAEs that are complete, and the same command goes on.
need sqlite3
make_saes --features 128 -k 8 --tokens 8k
saes=()
for ((i = 0; i < 20; i++)); do
  cp -r layer$((i % 2)).sae copy$i.sae
  saes+=(copy$i.sae)
done
headscope encode tiny.dump "${saes[@]}" -o whole.db --quiet >out.log
complete() {
  [ -s .x.db.partial ] && sqlite3 .x.db.partial 'SELECT count(*) FROM sae' \
    2>/dev/null || echo 0
}
"$HEADSCOPE" encode tiny.dump "${saes[@]}" -o x.db >out.log 2>err.log &
pid=$!
while kill -0 $pid 2>/dev/null && [ "$(complete)" = 0 ]; do sleep 0.02; done
kill -INT $pid || fail "it was over at once: $(cat err.log)"
status=0
wait $pid || status=$?
[ $status = 130 ] || fail "encode ended with $status: $(cat err.log)"
[ ! -e x.db ]
grep -q 'SAEs are kept' err.log || fail "lost its work: $(cat err.log)"
cp .x.db.partial .with.db.partial
headscope encode tiny.dump "${saes[@]}" -o x.db >out.log 2>err.log
grep -q 'there already; going on' err.log || fail "$(cat err.log)"
# With the model it is another encoding.
headscope encode tiny.dump "${saes[@]}" --model "$MODEL" -o with.db \
  >out.log 2>err.log
grep -q 'beginning anew' err.log || fail "$(cat err.log)"
cmp whole.db x.db
