# encode --model: sources of features. What is written does not depend on
# threads or interruptions; the model is part of what tells encodings apart, and
# another model than the dump's is refused.
. "$SOURCE/tests/common.sh"
need sqlite3
need jq
find . -mindepth 1 -delete
make_dump
make_saes --features 128 -k 8 --tokens 8k
encode=(encode --quiet tiny.dump layer0.sae layer1.sae)
add() {
  headscope "$@" >out.log 2>err.log || fail "$(cat err.log)"
}
ask() {
  sqlite3 "$@"
}

# -- any number of threads; nothing of it without the model
add "${encode[@]}" --model "$MODEL" -o one.db --threads 1
for threads in 2 7; do
  add "${encode[@]}" --model "$MODEL" -o "$threads.db" --threads $threads
  cmp one.db "$threads.db"
done
problems=$(ask one.db 'PRAGMA integrity_check; PRAGMA foreign_key_check')
[ "$problems" = ok ] || fail "$problems"
add "${encode[@]}" -o without.db
tables='(SELECT count(*) FROM example_source),
  (SELECT count(*) FROM feature_source_offset),
  (SELECT count(*) FROM feature_source_token)'
[ "$(ask without.db "SELECT $tables, max(source_tokens) FROM sae")" = '0|0|0|0' ]
[ "$(ask one.db "SELECT min($tables) > 100, min(source_tokens) = d.tokens
  FROM sae JOIN dump AS d" | tr '|' ' ')" = '1 1' ]
fingerprint=$(jq -r .model_fingerprint tiny.dump/manifest.json)
[ "$(ask one.db "SELECT DISTINCT options ->> 'model', model_fingerprint
  FROM sae, dump")" = "$fingerprint|$fingerprint" ]
# All else is the same.
all_else() {
  ask "$1" .dump | grep -vE 'INTO (sqlite_stat1|sae|example_source|feature_source)'
}
cmp <(all_else one.db) <(all_else without.db)

# -- one by one, and in the place of an SAE that was encoded without
add "${encode[@]}" --model "$MODEL" -o one.db --append
cmp one.db 2.db
refuse 2 'with other options' "${encode[@]}" --model "$MODEL" -o without.db \
  --append
add "${encode[@]}" --model "$MODEL" -o without.db --replace
[ "$(ask without.db "SELECT $tables")" = "$(ask one.db "SELECT $tables")" ]
add encode --remove layer0 -o one.db --quiet
[ "$(ask one.db 'SELECT count(*) FROM example_source WHERE sae = 1')" = 0 ]
[ "$(ask one.db 'SELECT count(*) > 100 FROM example_source')" = 1 ]

# -- what it costs is told, and nothing is written
headscope encode tiny.dump layer1.sae --dry-run --json -o dry.db >plain.log
headscope encode tiny.dump layer1.sae --dry-run --json -o dry.db \
  --model "$MODEL" >more.log
[ ! -e dry.db ]
jq -es '.[1].estimate.disk_bytes > .[0].estimate.disk_bytes' plain.log more.log \
  >out.log || fail "no more disk with the model"

# -- another model, or none
cp -r "$MODEL" other
printf '\x01' | dd of=other/model.safetensors bs=1 seek=200000 conv=notrunc \
  2>err.log
refuse 2 'with fingerprint' "${encode[@]}" --model other -o x.db
refuse 2 'config.json' "${encode[@]}" --model tiny.dump -o x.db

# -- an SAE of other rows than the dump's: refused where the model runs, else
# -- only said. Catches sources of a feature that those rows do not have.
# lie SED: a copy of an SAE whose record says something else of its dump
lie() {
  rm -rf lie.sae
  cp -r layer1.sae lie.sae
  sed -i "$1" lie.sae/headscope.json
  ! cmp -s lie.sae/headscope.json layer1.sae/headscope.json || fail "no $1"
  add encode tiny.dump lie.sae -o lie.db --force --quiet
  cp err.log encode.log
  add eval tiny.dump lie.sae --split all --quiet
  cmp encode.log err.log
}
lie 's/"model_fingerprint": "[0-9a-f]/"model_fingerprint": "x/'
grep -q 'was trained on z of a model with fingerprint x' err.log
refuse 2 'was trained on z of a model' encode tiny.dump lie.sae \
  --model "$MODEL" -o x.db
lie 's/"fold_value_biases": false/"fold_value_biases": true/'
grep -q 'trained on z without value biases' err.log
refuse 2 'trained on z without value biases' encode tiny.dump lie.sae \
  --model "$MODEL" -o x.db
lie 's/"bos": "always"/"bos": "never"/'
grep -q 'trained on contexts without BOS, and here they are with it' err.log
add encode tiny.dump lie.sae --model "$MODEL" -o lie.db --force --quiet
