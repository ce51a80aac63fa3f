# An encode that is killed (SIGKILL) at random moments, a new file and one that
# is added to: what is there is sound and holds whole SAEs, and the same command
# again ends in what an uninterrupted run ends in. LIFE_KILLS moments of each.
. "$SOURCE/tests/common.sh"
need sqlite3
find . -mindepth 1 -delete
make_dump
make_saes --features 128 -k 8 --tokens 8k
cp -r layer0.sae third.sae
cp -r layer1.sae fourth.sae
head -c 9000 "$MODEL/corpus.txt" | tail -c 5000 >other.txt
headscope capture "$MODEL" --text other.txt -o other.dump --layers 0-1 \
  --context 64 --quiet >out.log

kills=${LIFE_KILLS:-3}
RANDOM=${SEED:-$$}
interrupted=0 went_on=0
four=(tiny.dump layer0.sae layer1.sae third.sae fourth.sae)
three=(tiny.dump layer1.sae third.sae fourth.sae --append)
other=(other.dump layer0.sae layer1.sae --append)
encode() {
  headscope encode "$@" --model "$MODEL" --rows 20k --threads 1 --quiet \
    >>encode.log
}

# timed ARGUMENT...: encodes and sets `took`, in milliseconds
timed() {
  local from=${EPOCHREALTIME/./}
  encode "$@"
  took=$(((${EPOCHREALTIME/./} - from) / 1000))
}

# killed ARGUMENT...: at a random moment of as long as the whole takes. That
# depends on what else runs here: a run that was over makes the next moments
# come sooner.
killed() {
  local moment=$((RANDOM % (took + 10)))
  moment=$((moment / 1000)).$(printf %03d $((moment % 1000)))
  moments+=" $moment"
  "$HEADSCOPE" encode "$@" --model "$MODEL" --rows 20k --threads 1 --quiet \
    >out.log 2>err.log </dev/null &
  local pid=$!
  sleep "$moment"
  kill -9 $pid 2>/dev/null || true
  if wait $pid 2>/dev/null; then
    took=$((took * 3 / 4))
  else
    interrupted=$((interrupted + 1))
  fi
}

# sound FILE: looked at in a copy, so that headscope meets what was left
sound() {
  local problems
  rm -f copy.db copy.db-journal
  cp "$1" copy.db
  [ ! -e "$1-journal" ] || cp "$1-journal" copy.db-journal
  problems=$(sqlite3 copy.db 'PRAGMA integrity_check; PRAGMA foreign_key_check')
  [ "$problems" = ok ] || fail "after$moments s: $problems"
  [ -z "$(sqlite3 copy.db 'SELECT 1 FROM sqlite_schema LIMIT 1')" ] ||
    [ -z "$(sqlite3 copy.db 'SELECT name FROM sae AS s WHERE activations <>
      (SELECT count(*) FROM activation WHERE sae = s.id)')" ] ||
    fail "half an SAE after$moments s"
}

# -- a new file: to the same bytes
timed "${four[@]}" -o whole.db
# Killed at the very end, when only the renaming was left.
cp whole.db .last.db.partial
encode "${four[@]}" -o last.db
cmp whole.db last.db
for ((i = 0; i < kills; i++)); do
  moments=
  killed "${four[@]}" -o part.db
  if [ -e part.db ]; then
    sound part.db
  else
    [ ! -e .part.db.partial ] || sound .part.db.partial
    headscope encode "${four[@]}" --model "$MODEL" -o part.db --rows 20k \
      >>encode.log 2>err.log
    ! grep -q 'are there already' err.log || went_on=$((went_on + 1))
    ! grep -q 'beginning anew' err.log || fail "after$moments s: $(cat err.log)"
  fi
  cmp whole.db part.db || fail "killed after$moments s"
  [ ! -e .part.db.partial-journal ] && [ ! -e part.db-journal ]
  rm part.db
done

# -- SAEs that are added, then a dump with its own: to the same contents
encode tiny.dump layer0.sae -o base.db
cp base.db whole.db
timed "${three[@]}" -o whole.db
took_three=$took
timed "${other[@]}" -o whole.db
took_other=$took
sqlite3 whole.db .dump >whole.sql
for ((i = 0; i < kills; i++)); do
  moments=
  cp base.db part.db
  for part in three other; do
    declare -n arguments=$part took=took_$part
    killed "${arguments[@]}" -o part.db
    sound part.db
    headscope info part.db >out.log || fail "cannot be read after$moments s"
    encode "${arguments[@]}" -o part.db
  done
  sqlite3 part.db .dump >part.sql
  cmp whole.sql part.sql || fail "killed after$moments s"
  [ ! -e part.db-journal ]
done
[ $interrupted -ge "$kills" ] || fail "only $interrupted runs were killed"
echo "$interrupted killed; $went_on went on behind SAEs that were complete"
