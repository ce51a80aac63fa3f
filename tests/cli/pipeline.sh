# Text to dump to SAEs to database on a small scale; equal runs give equal
# bytes for any number of threads.
. "$SOURCE/tests/common.sh"
need jq
need sqlite3
find . -mindepth 1 -delete

# -- the whole way, each step's --json one object
head -c 20000 "$MODEL/corpus.txt" >tiny.txt
capture=(capture "$MODEL" --text tiny.txt --layers 0-1 --context 64 --json)
train=(train tiny.dump --features 512 -k 16 --tokens 40k --batch 1024 --json)
encode=(encode tiny.dump layer0.sae layer1.sae --json)

# one_object FILE
one_object() {
  [ "$(jq -s 'length == 1 and (.[0] | type == "object")' "$1")" = true ] ||
    fail "not one JSON object: $(cat "$1")"
}

headscope "${capture[@]}" --dry-run -o tiny.dump >report.log 2>err.log
one_object report.log
[ ! -e tiny.dump ] || fail "--dry-run wrote"
headscope "${capture[@]}" -o tiny.dump >report.log 2>err.log
one_object report.log
for layer in 0 1; do
  headscope "${train[@]}" --layer $layer -o layer$layer.sae >report.log \
    2>err.log
  one_object report.log
done
headscope "${train[@]}" --layer 0 --dry-run -o dry.sae >report.log 2>err.log
one_object report.log
[ ! -e dry.sae ] || fail "--dry-run wrote"
headscope "${encode[@]}" -o tiny.db >report.log 2>err.log
one_object report.log
headscope "${encode[@]}" --dry-run -o dry.db >report.log 2>err.log
one_object report.log
[ ! -e dry.db ] || fail "--dry-run wrote"

# -- info of everything that was read or written
headscope info --json --threads 1 tiny.dump layer0.sae tiny.db "$MODEL" \
  "$MODEL/vocab.json" "$MODEL/model.safetensors" tiny.dump/tokens.npy \
  >info.log
[ "$(jq -r '[.items[].kind] | join(" ")' info.log)" = \
  "dump sae database model vocabulary safetensors array" ]
[ "$(jq '.items[0].tokens' info.log)" = \
  "$(sqlite3 tiny.db 'SELECT count(*) FROM token')" ]
[ "$(jq '.items[1].d_sae' info.log)" = 512 ]
headscope info --verify tiny.dump | grep -q '^verified *true$'
headscope info tiny.db | grep -q FVU
refuse 2 "only a dump has checksums" info --verify layer0.sae

# -- a flipped byte is found by --verify
cp -r tiny.dump broken.dump
shard=$(ls broken.dump/*.safetensors | head -n 1)
printf '\x01' | dd of="$shard" bs=1 seek=5000 conv=notrunc status=none
refuse 2 "$shard" info --verify broken.dump

# -- the database keeps its word
[ "$(sqlite3 tiny.db 'PRAGMA integrity_check')" = ok ]
[ -z "$(sqlite3 tiny.db 'PRAGMA foreign_key_check')" ]

# -- the same bytes with one thread and with three
mkdir again
cd again
cp ../tiny.txt .
for threads in 1 3; do
  headscope "${capture[@]}" -o tiny.dump --force --threads $threads >out.log \
    2>err.log
  diff -r tiny.dump ../tiny.dump
  for layer in 0 1; do
    headscope "${train[@]}" --layer $layer -o layer$layer.sae --force \
      --threads $threads >out.log 2>err.log
    diff -r -x 'timing*' layer$layer.sae ../layer$layer.sae
  done
  headscope "${encode[@]}" -o tiny.db --force --threads $threads >out.log \
    2>err.log
  cmp tiny.db ../tiny.db
done
