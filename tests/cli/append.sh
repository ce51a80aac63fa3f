# SAEs and dumps that are added to a database, replaced and removed: what is
# asked of it is what a new file would answer, keys go on, and what does not
# fit is refused and changes nothing.
. "$SOURCE/tests/common.sh"
need sqlite3
need jq
find . -mindepth 1 -delete
make_dump
make_saes --features 128 -k 8 --tokens 8k
mkdir other
headscope train tiny.dump --layer 0 -o other/layer0.sae --features 128 -k 8 \
  --tokens 12k --batch 1024 --quiet >out.log
cp -r layer0.sae third.sae
head -c 9000 "$MODEL/corpus.txt" | tail -c 5000 >second.txt
headscope capture "$MODEL" --text second.txt -o second.dump --layers 0-1 \
  --context 64 --quiet >out.log

encode=(encode --rows 1k --quiet)
add() {
  headscope "${encode[@]}" "$@" >out.log 2>err.log || fail "$(cat err.log)"
}
ask() {
  sqlite3 "$@"
}
sound() {
  local problems
  problems=$(ask "$1" 'PRAGMA integrity_check; PRAGMA foreign_key_check')
  [ "$problems" = ok ] || fail "$1: $problems"
}
# dump FILE: all it holds, without the planner's statistics
dump() {
  ask "$1" .dump | grep -v 'INTO sqlite_stat1 '
}
# same A B
same() {
  cmp <(dump "$1") <(dump "$2") || fail "$1 and $2 differ"
}

# -- one by one is as good as all at once, and asking twice changes nothing
add tiny.dump layer0.sae layer1.sae third.sae -o whole.db
add tiny.dump layer0.sae -o one.db
add tiny.dump layer1.sae --append -o one.db
add tiny.dump layer0.sae layer1.sae third.sae --append -o one.db
same whole.db one.db
[ "$(ask one.db 'SELECT * FROM sqlite_stat1 ORDER BY 1, 2')" = \
  "$(ask whole.db 'SELECT * FROM sqlite_stat1 ORDER BY 1, 2')" ] ||
  fail "the planner's statistics are old"
before=$(sha256sum one.db)
headscope encode --rows 1k tiny.dump third.sae layer0.sae --append -o one.db \
  >out.log 2>err.log
grep -q '2 of 2 SAEs are there already' err.log
[ "$before" = "$(sha256sum one.db)" ]

# -- a second dump: keys go on behind the first, strings are shared
cp one.db two.db
add second.dump layer0.sae layer1.sae --append -o two.db
add second.dump layer0.sae layer1.sae -o second.db
sound two.db
[ "$(ask two.db 'SELECT id, first_token FROM dump')" = \
  "1|0
2|$(ask one.db 'SELECT count(*) FROM token')" ]
[ "$(ask two.db 'SELECT count(*), max(id) + 1 FROM token')" = \
  "$(ask one.db "ATTACH 'second.db' AS s; SELECT n, n FROM (SELECT
    (SELECT count(*) FROM token) + (SELECT count(*) FROM s.token) AS n)")" ]
[ -z "$(ask two.db 'SELECT v.id FROM vocab AS v WHERE count <>
  (SELECT coalesce(sum(count), 0) FROM vocab_use WHERE vocab = v.id)
  OR count <> (SELECT count(*) FROM token WHERE vocab = v.id)')" ]
# What the second dump's SAE says is what it says in a file of its own.
for question in \
  'SELECT feature, text, value, before, after, position FROM
     top_tokens_of_feature WHERE sae = ?' \
  'SELECT feature, head, text, contribution, before FROM
     top_tokens_through_head WHERE sae = ?' \
  'SELECT text, feature, count, share, max, mean_all FROM features_of_token
     WHERE sae = ? ORDER BY feature, text' \
  'SELECT feature, text, level, position FROM tokens_of_feature WHERE sae = ?' \
  'SELECT head, feature, text, position FROM tokens_of_head_code
     WHERE sae = ?' \
  'SELECT a.feature, level, a.heads, text, context - (SELECT min(id) FROM context
     WHERE dump = s.dump) FROM sae AS s JOIN activation_by_token AS a
     ON a.sae = s.id JOIN token AS t ON t.id = a.token JOIN vocab AS v
     ON v.id = t.vocab WHERE s.id = ?' \
  'SELECT a.feature, level, text, position FROM example_activation AS a
     JOIN token AS t ON t.id = a.token JOIN vocab AS v ON v.id = t.vocab
     WHERE sae = ?'; do
  ask two.db "${question/\?/5}" >two.log
  ask second.db "${question/\?/2}" >second.log
  [ -s second.log ] || fail "nothing to compare: $question"
  cmp two.log second.log || fail "$question"
done
headscope info two.db | grep -q '^dump 2, second.dump, '
headscope info two.db | grep -q ' 2/layer0 '
[ "$(headscope info --json two.db | jq -c '[.items[0].saes[].dump]')" = \
  '[1,1,1,2,2]' ]

# -- another SAE of that name is refused, or takes its place
refuse 2 '--replace' "${encode[@]}" tiny.dump other/layer0.sae --append \
  -o one.db
refuse 2 'other options' "${encode[@]}" tiny.dump layer0.sae --append \
  --examples 3 -o one.db
cp two.db replaced.db
add tiny.dump other/layer0.sae --replace -o replaced.db
sound replaced.db
add tiny.dump other/layer0.sae -o fresh.db
[ "$(ask replaced.db "SELECT id, fingerprint, dump FROM sae
  WHERE name = 'layer0' ORDER BY dump")" = \
  "6|$(ask fresh.db 'SELECT fingerprint FROM sae')|1
$(ask two.db "SELECT id, fingerprint, dump FROM sae
  WHERE name = 'layer0' AND dump = 2")" ]
for table in activation activation_by_token feature feature_head \
  histogram example_set example example_activation head_example token_feature \
  head metric; do
  [ "$(ask replaced.db "SELECT count(*) FROM $table WHERE sae = 6")" = \
    "$(ask fresh.db "SELECT count(*) FROM $table")" ] || fail "$table"
  [ "$(ask replaced.db "SELECT count(*) FROM $table WHERE sae = 1")" = 0 ] ||
    fail "$table keeps rows of what was replaced"
done

# -- what is removed is gone, with a dump that has no other SAE
refuse 2 'say 1/layer0 or 2/layer0' encode --remove layer0 -o two.db
refuse 2 'has no SAE layer7' encode --remove third,layer7 -o two.db
refuse 2 'delete the file' encode --remove layer0 -o fresh.db
cp two.db less.db
headscope encode --remove 2/layer0,second.dump/layer1 -o less.db >out.log \
  2>err.log
grep -q VACUUM err.log
sound less.db
same less.db one.db
cp two.db less.db
headscope encode --remove 1/layer0,1/layer1,third -o less.db --quiet >out.log
sound less.db
[ "$(ask less.db 'SELECT count(*), min(id) FROM token')" = \
  "$(ask second.db 'SELECT count(*) FROM token')|$(ask one.db \
    'SELECT count(*) FROM token')" ]
[ "$(ask less.db 'SELECT sum(count) FROM vocab')" = \
  "$(ask second.db 'SELECT count(*) FROM token')" ]
# The room is used again.
size=$(stat -c %s two.db)
add tiny.dump layer0.sae layer1.sae third.sae --append -o less.db
sound less.db
[ "$(stat -c %s less.db)" -le $((size + size / 10)) ] ||
  fail "grew from $size to $(stat -c %s less.db)"

# -- what does not fit
refuse 2 '--rows 1000 --seed 0' encode tiny.dump third.sae --rows 2k --append \
  -o one.db
refuse 2 '--rows 1000 --seed 0' "${encode[@]}" tiny.dump third.sae --seed 4 \
  --append -o one.db
refuse 2 'No such file' "${encode[@]}" tiny.dump third.sae --append -o none.db
refuse 2 'no SQLite database' "${encode[@]}" tiny.dump third.sae --append \
  -o tiny.txt
ask foreign.db 'CREATE TABLE t (x)'
refuse 2 'not one of headscope' "${encode[@]}" tiny.dump third.sae --append \
  -o foreign.db
cp one.db old.db
ask old.db 'PRAGMA user_version = 2'
refuse 2 'schema version 2' "${encode[@]}" tiny.dump third.sae --append \
  -o old.db
refuse 2 'schema version 2' encode --remove layer0 -o old.db
cp -r second.dump strings.dump
jq '.[2] = "something else"' second.dump/vocab.json >strings.dump/vocab.json
jq '.model = "another"' second.dump/manifest.json >strings.dump/manifest.json
refuse 2 'another tokenizer' "${encode[@]}" strings.dump layer0.sae --append \
  -o one.db
refuse 2 'choose one' "${encode[@]}" tiny.dump third.sae --append --force \
  -o one.db
refuse 1 'takes no dump' encode --remove layer0 tiny.dump -o one.db
refuse 1 'missing arguments' encode --append -o one.db
if [ "$(id -u)" != 0 ]; then
  chmod -w one.db
  refuse 2 'read-only' "${encode[@]}" second.dump layer0.sae --append -o one.db
  chmod +w one.db
fi

# -- another program that writes or has changed the file
mkfifo hold
sqlite3 one.db <hold >hold.log 2>&1 &
exec 7>hold
echo 'BEGIN IMMEDIATE;' >&7
for ((i = 0; i < 100; i++)); do
  sqlite3 one.db 'BEGIN IMMEDIATE; ROLLBACK' 2>/dev/null || break
  sleep 0.02
done
"$HEADSCOPE" "${encode[@]}" second.dump layer0.sae --append -o one.db \
  >out.log 2>err.log &
pid=$!
sleep 0.3
echo 'ROLLBACK;' >&7
exec 7>&-
wait $pid || fail "did not wait for another program: $(cat err.log)"
sound one.db

# -- a new file goes on behind what was finished, and only if it is the same
cp one.db .part.db.partial
headscope encode --rows 1k tiny.dump layer0.sae layer1.sae -o part.db \
  >out.log 2>err.log
grep -q 'beginning anew' err.log || fail "took another run's file: $(cat err.log)"
rm part.db
# An SAE that fails does not cost those before it.
mkdir broken
cp -r layer1.sae broken/fourth.sae
echo '{"step": 1' >>broken/fourth.sae/metrics.jsonl
status=0
headscope encode --rows 1k tiny.dump layer0.sae layer1.sae third.sae \
  broken/fourth.sae -o part.db >out.log 2>err.log || status=$?
[ $status = 2 ] && [ ! -e part.db ]
grep -q '3 of 4 SAEs are kept' err.log
mv broken/fourth.sae/metrics.jsonl broken.jsonl
headscope encode --rows 1k tiny.dump layer0.sae layer1.sae third.sae \
  broken/fourth.sae -o part.db >out.log 2>err.log
grep -q '3 of 4 SAEs are there already; going on' err.log
add tiny.dump layer0.sae layer1.sae third.sae broken/fourth.sae -o again.db
cmp part.db again.db

# -- a journal that an older file has left does not reach the new one
cp one.db victim.db
sqlite3 victim.db 'PRAGMA cache_size = 5; BEGIN; DELETE FROM activation;
  SELECT 1;' '.shell cp victim.db hot.db; cp victim.db-journal hot.db-journal' \
  >out.log
[ -s hot.db-journal ] || fail "no journal to test with"
cp hot.db-journal away.db-journal
add tiny.dump layer0.sae layer1.sae third.sae --force -o hot.db
add tiny.dump layer0.sae layer1.sae third.sae -o away.db
cmp hot.db whole.db
cmp away.db whole.db
sound hot.db
sound away.db
