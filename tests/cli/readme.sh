# README.md and docs/: what they tell to type works. Against a small copy of
# the demo (demo/tiny.dump, demo/layerN.sae, demo/demo.db):
# - a block "```sql" must run and give a row. "feature = 123", "sae = 2" and the
#   like are taken for examples: a living feature and an SAE of this database
#   take their place.
# - a block "```sql example" must run.
# - a block "```sh run" must end with status 0.
. "$SOURCE/tests/common.sh"
need sqlite3
[ -f "$SOURCE/README.md" ] || skip "there is no README.md yet"
find . -mindepth 1 -delete
ln -s "$SOURCE/examples" examples
mkdir bin demo
ln -s "$HEADSCOPE" bin/headscope
PATH=$PWD/bin:$PATH

head -c 40000 "$MODEL/corpus.txt" >stories.txt
# The texts of which docs/sql.md asks for " lasted" stand apart in the corpus.
{
  tail -c 20000 "$MODEL/corpus.txt"
  grep -m 20 'lasted from the year' "$MODEL/corpus.txt"
} >news.txt
headscope capture "$MODEL" --text stories.txt,news.txt -o demo/tiny.dump \
  -q >out.log
saes=()
for layer in 0 1 2 3; do
  headscope train demo/tiny.dump --layer $layer -o demo/layer$layer.sae \
    --features 512 --tokens 50k --batch 1024 -q >out.log
  saes+=("demo/layer$layer.sae")
done
headscope encode demo/tiny.dump "${saes[@]}" --model "$MODEL" -o demo/demo.db \
  -q >out.log

cat "$MODEL"/tasks/ioi.jsonl "$MODEL"/tasks/ioi_reference.jsonl >ioi.jsonl
headscope capture "$MODEL" --prompts ioi.jsonl -o demo/ioi.dump -q >out.log
headscope circuit demo/ioi.dump --seeds 1 --steps 100 -q -o demo/demo.db \
  >out.log

# Of layer 2, as the examples ask for "layer = 2".
read -r sae feature < <(sqlite3 -separator ' ' demo/demo.db \
  'SELECT sae, feature FROM feature JOIN sae ON sae.id = feature.sae
   WHERE layer = 2 ORDER BY fires DESC LIMIT 1')

# blocks FENCE FILE FOLDER: each block with that fence into a file of its own,
# named after its first line.
blocks() {
  mkdir -p "$3"
  awk -v fence="\`\`\`$1" -v folder="$3" '
    $0 == fence { out = folder "/" NR; next }
    /^```/ { out = ""; next }
    out != "" { print > out }' "$2"
}

# sql FILE: runs a block; its rows go to rows.log
sql() {
  sed -E "s/\b(feature) = [0-9]+/\1 = $feature/g; s/\b(sae) = [0-9]+/\1 = $sae/g" \
    "$1" >query.log
  sqlite3 -readonly -bail demo/demo.db <query.log >rows.log 2>error.log &&
    [ ! -s error.log ]
}

count=0
for page in "$SOURCE/README.md" "$SOURCE"/docs/*.md; do
  name=$(basename "$page" .md)
  blocks sql "$page" "$name/sql"
  blocks 'sql example' "$page" "$name/example"
  blocks 'sh run' "$page" "$name/sh"
  for block in "$name"/sql/* "$name"/example/* "$name"/sh/*; do
    [ -f "$block" ] || continue
    count=$((count + 1))
    where="$page, line ${block##*/}"
    case $block in
      */sh/*)
        bash -euo pipefail "$block" >out.log 2>&1 </dev/null ||
          fail "$where: $(cat out.log)"
        ;;
      *) sql "$block" || fail "$where: $(cat error.log)" ;;
    esac
    case $block in
      */sql/*) [ -s rows.log ] || fail "$where: no row" ;;
    esac
  done
done
printf '%d blocks\n' $count
