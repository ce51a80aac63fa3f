# Bad input of every kind: exit status 2, one line that says what is wrong,
# nothing printed, written or left behind.
. "$SOURCE/tests/common.sh"
need jq
find . -mindepth 1 -delete
make_dump
make_saes

array=(--layout tokens,heads,d_head)
mkdir bad

# -- safetensors: headers that lie
f=bad/z.safetensors
# lying WORDS HEADER N_BYTES [SIZE]
lying() {
  local words=$1
  shift
  safetensors $f "$@"
  refuse 2 "$words" info -q $f
  refuse 2 "$words" train -q $f "${array[@]}" -o x.sae
  refuse 2 "$words" encode -q $f "${array[@]}" layer0.sae -o x.db
}
z() { # DTYPE SHAPE BEGIN END
  printf '{"z":{"dtype":"%s","shape":%s,"data_offsets":[%s,%s]}}' "$@"
}
good=$(z F32 '[4,8,32]' 0 4096)
safetensors $f "$good" 4096
headscope info $f | grep -q 'f32 \[4, 8, 32\]'
lying "$f" "$good" 4095
lying "$f" "$good" 4097
lying "$f" "$good" 4096 100000
lying "$f" "$good" 4096 9223372036854775807
lying "$f" '' 0
lying "$f" '{' 0
lying "$f" '[]' 0
lying "$f" "$(z F32 '[-4,8,32]' 0 4096)" 4096
lying "$f" "$(z F32 '[4.5,8,32]' 0 4096)" 4096
lying "$f" "$(z F32 '[4294967296,4294967296,4]' 0 4096)" 4096
lying "$f" "$(z F32 '[9223372036854775807,8,32]' 0 4096)" 4096
lying "$f" "$(z F32 '[4,8,32]' 4096 0)" 4096
lying "$f" "$(z F32 '[4,8,32]' -4096 0)" 4096
lying "$f" "$(z F32 '[4,8,32]' 8 4104)" 4104
lying "$f" "$(z F33 '[4,8,32]' 0 4096)" 4096
lying "$f" "$(z F32 '[1,1,1,1,1,4,1,8,32]' 0 4096)" 4096
lying "overlap" '{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"z":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}' 12
for name in '../z' 'a/b' '..' ''; do
  lying "$f" "{\"$name\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}" 4
done
lying "$f" '{"z":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"z":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}' 8
head -c 5 /dev/zero >$f
refuse 2 "$f" info $f

# -- npy: the same
f=bad/z.npy
lying_npy() {
  npy $f "$2" "$3"
  refuse 2 "$1" info -q $f
  refuse 2 "$1" train -q $f "${array[@]}" -o x.sae
}
n() { printf "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }" "$@"; }
npy $f "$(n '<f4' False '(4, 8, 32)')" 4096
headscope info $f | grep -q 'f32 \[4, 8, 32\]'
lying_npy "$f" "$(n '<f4' False '(4, 8, 32)')" 4095
lying_npy "$f" "$(n '<f4' False '(4, 8, 32)')" 4097
lying_npy "$f" "$(n '<f4' False '(-4, 8, 32)')" 4096
lying_npy "$f" "$(n '<f4' False '(4294967296, 4294967296, 4)')" 4096
lying_npy "$f" "$(n '<f4' False '(99999999999999999999, 8, 32)')" 4096
lying_npy "Fortran" "$(n '<f4' True '(4, 8, 32)')" 4096
lying_npy "$f" "$(n '>f4' False '(4, 8, 32)')" 4096
lying_npy "$f" "$(n '|O' False '(4, 8, 32)')" 4096
lying_npy "$f" "{'descr': '<f4'}" 4096
printf '\x93NUMPY\x01' >$f
refuse 2 "$f" info $f

# -- arrays that are no activations
npy $f "$(n '<f4' False '(0, 8, 32)')" 0
refuse 2 "$f" train -q $f "${array[@]}" -o x.sae
npy $f "$(n '<i4' False '(4, 8, 32)')" 4096
refuse 2 "i32" train -q $f "${array[@]}" -o x.sae
npy $f "$(n '<f4' False '(4, 256)')" 4096
refuse 2 "$f" train -q $f "${array[@]}" -o x.sae
refuse 2 "heads" train -q $f --layout tokens,d --row-heads 7 -o x.sae
refuse 2 "layout" train -q $f -o x.sae

# -- values that are not finite: file and row, wherever the row ends up
make_f32() {
  headscope capture "$MODEL" --text tiny.txt -o f32.dump --layers 0 \
    --dtype f32 -q
  mv f32.dump/layer*.safetensors bad/z.safetensors
  rm -r f32.dump
}
make_f32
f=bad/z.safetensors
data=$((8 + $(od -An -t u8 -N 8 $f)))
for row in 0 2000; do
  for value in '\x00\x00\xc0\x7f' '\x00\x00\x80\xff'; do # NaN, -infinity
    cp $f bad/poisoned.safetensors
    printf "$value" | dd of=bad/poisoned.safetensors bs=1 conv=notrunc \
      seek=$((data + row * 8 * 32 * 4 + 64)) status=none
    refuse 2 "bad/poisoned.safetensors: layer 0, row $row " train -q \
      bad/poisoned.safetensors "${array[@]}" -k 8 -m 64 --tokens 10k \
      --batch 512 -o x.sae
    refuse 2 "bad/poisoned.safetensors: layer 0, row $row " encode -q \
      bad/poisoned.safetensors "${array[@]}" layer0.sae --layer 0 -o x.db
  done
done

# -- a manifest that disagrees with its shards
# spoiled WORDS COMMAND...: runs the command in a copy of the dump
spoiled() {
  local words=$1
  shift
  rm -rf bad/tiny.dump
  cp -r tiny.dump bad/tiny.dump
  (cd bad/tiny.dump && "$@")
  refuse 2 "$words" info -q bad/tiny.dump
  refuse 2 "$words" train -q bad/tiny.dump --layer 0 -o x.sae
}
shard=$(cd tiny.dump && ls layer*.safetensors | head -n 1)
spoiled "$shard" rm "$shard"
spoiled "$shard" truncate -s -1 "$shard"
spoiled "$shard" truncate -s 0 "$shard"
spoiled "the manifest says" sed -i 's/"heads": 8/"heads": 4/' manifest.json
spoiled "manifest.json" sed -i 's/"d_head": 32/"d_head": -32/' manifest.json
spoiled "manifest.json" sed -i 's/"tokens": \([0-9]*\)/"tokens": 1\1/' \
  manifest.json
spoiled "manifest.json" sed -i "s|$shard|../$shard|" manifest.json
spoiled "manifest.json" truncate -s 100 manifest.json
spoiled "manifest.json" truncate -s 0 manifest.json
spoiled "tokens.npy" rm tokens.npy
spoiled "contexts.npy" truncate -s -8 contexts.npy
spoiled "vocab.json" sed -i '$d' vocab.json

# -- SAEs that do not fit
headscope train tiny.dump --layer 0 -o bad/small.sae -m 64 -k 4 --tokens 4k \
  --batch 512 -q
refuse 2 "k 600" train -q tiny.dump --layer 0 -m 512 -k 600 -o x.sae
refuse 2 "layer" train -q tiny.dump --layer 7 -o x.sae
npy bad/narrow.npy "$(n '<f4' False '(4, 4, 32)')" 2048
refuse 2 "256" encode -q bad/narrow.npy "${array[@]}" layer0.sae -o x.db
cp -r layer0.sae bad/cut.sae
truncate -s -4 bad/cut.sae/sae_weights.safetensors
refuse 2 "sae_weights.safetensors" info bad/cut.sae
refuse 2 "sae_weights.safetensors" encode -q tiny.dump bad/cut.sae -o x.db
rm bad/cut.sae/cfg.json
refuse 2 "cfg.json" info bad/cut.sae

# -- outputs that exist, or cannot be
touch x.db
refuse 2 "--force" encode -q tiny.dump layer0.sae -o x.db
refuse 2 "is read and cannot be replaced" encode -q tiny.dump/tokens.npy \
  layer0.sae -o tiny.dump/tokens.npy --force
refuse 2 "--force" train -q tiny.dump --layer 0 -o layer0.sae
refuse 2 "--force" capture -q "$MODEL" --text tiny.txt -o tiny.dump
mkdir x.sae
touch x.sae/mine
refuse 2 "x.sae" train -q tiny.dump --layer 0 -o x.sae --force
ln -s layer1.sae link
for link in link link/; do
  refuse 2 "is not a folder" train -q tiny.dump --layer 0 -o $link --force
done
rm link
refuse 2 "no-such" train -q tiny.dump --layer 0 -o no-such/x.sae
rm -r x.db x.sae
refuse 2 "not UTF-8" train -q tiny.dump --layer 0 -o x.sae --model-name $'m\xff'

# -- text that is not UTF-8, models that are none
printf 'good\nb\xffd\n' >bad/text
refuse 2 "line 2" capture -q "$MODEL" --text bad/text -o x.dump
: >bad/text
refuse 2 "bad/text" capture -q "$MODEL" --text bad/text -o x.dump
refuse 2 "tiny.dump" capture -q tiny.dump --text tiny.txt -o x.dump
mkdir bad/model
cp "$MODEL"/*.json "$MODEL/merges.txt" bad/model
head -c 1000 "$MODEL/model.safetensors" >bad/model/model.safetensors
refuse 2 "model.safetensors" capture -q bad/model --text tiny.txt -o x.dump
sed -i 's/"n_head": *8/"n_head": 7/' bad/model/config.json
refuse 2 "config.json" capture -q bad/model --text tiny.txt -o x.dump

# -- configurations of other models, contexts that are too long
model() { # WORDS SED_EXPRESSION: a folder whose config.json is changed so
  rm -rf bad/model
  mkdir bad/model
  ln -s "$MODEL"/* bad/model
  rm bad/model/config.json
  sed "$2" "$MODEL/config.json" >bad/model/config.json
  refuse 2 "$1" capture -q bad/model --text tiny.txt -o x.dump
}
model "model_type is 'llama'; only gpt2 can be captured" 's/"gpt2"/"llama"/'
model "only gelu_new, gelu and relu are supported" 's/"gelu_new"/"silu"/'
model "wte.weight: f32 [2048, 256], but config.json asks for f32 [2047, 256]" \
  's/"vocab_size": *2048/"vocab_size": 2047/'
model "no tensor 'h.4.ln_1.weight'; config.json asks for one like f32 [256]" \
  's/"n_layer": *4/"n_layer": 5/'
refuse 2 "--context 257: the model has only 256 positions" capture -q \
  "$MODEL" --text tiny.txt --context 257 -o x.dump

# -- a vocabulary and an embedding of different sizes: more tokens than rows are
# refused, fewer are said, as embeddings are often padded
rm -rf bad/model
mkdir bad/model
ln -s "$MODEL"/* bad/model
rm bad/model/vocab.json
jq '.["<|extra|>"] = 2048' "$MODEL/vocab.json" >bad/model/vocab.json
refuse 2 "vocab.json has 2049 tokens, but the model embeds only 2048" capture \
  -q bad/model --text tiny.txt -o x.dump
rm bad/model/merges.txt
sed '$d' "$MODEL/merges.txt" >bad/model/merges.txt
jq --arg last "$(tail -n 1 "$MODEL/merges.txt" | tr -d ' ')" \
  'del(.[$last]) | .["<|endoftext|>"] = 2046' "$MODEL/vocab.json" \
  >bad/model/vocab.json
headscope capture -q bad/model --text tiny.txt --tokens 300 -o padded.dump \
  >out.log 2>err.log
grep -q 'vocab.json has 2047 tokens, and the model embeds 2048' err.log ||
  fail "$(cat err.log)"
rm -r padded.dump

# -- an index of shards that lies
rm -rf bad/model
mkdir bad/model
ln -s "$MODEL"/[cmtv]*[a-z].json "$MODEL/merges.txt" bad/model
index() { # WORDS WEIGHT_MAP
  printf '{"weight_map": %s}' "$2" >bad/model/model.safetensors.index.json
  refuse 2 "$1" capture -q bad/model --text tiny.txt -o x.dump
}
refuse 2 "holds neither model.safetensors nor model.safetensors.index.json" \
  capture -q bad/model --text tiny.txt -o x.dump
safetensors bad/model/a.safetensors \
  '{"wte.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}' 4
cp bad/model/a.safetensors bad/outside.safetensors
index "'weight_map' must be an object" '[]'
index "'weight_map' is empty" '{}'
index "without '/' and '..'" '{"wte.weight": "../outside.safetensors"}'
index "without '/' and '..'" '{"wte.weight": "/etc/hosts"}'
index "names the shard b.safetensors, which is not there" \
  '{"wte.weight": "a.safetensors", "wpe.weight": "b.safetensors"}'
index "'wpe.weight' is in a.safetensors, which does not hold it" \
  '{"wte.weight": "a.safetensors", "wpe.weight": "a.safetensors"}'
index "a.safetensors: wte.weight: f32 [1], but config.json asks for f32 [2048" \
  '{"wte.weight": "a.safetensors"}'

# -- JSON Lines and folders
lines() { # WORDS LINE OPTION...
  local words=$1
  printf '{"text": "fine", "by": "me"}\n%b\n' "$2" >bad/rows.jsonl
  shift 2
  refuse 2 "bad/rows.jsonl: line 2: $words" capture -q "$MODEL" \
    --text bad/rows.jsonl -o x.dump "$@"
}
lines "no valid JSON" '{"text": "a'
lines "must be a JSON object" '[1]'
lines "'text' is missing" '{"txt": "a"}'
lines "'text' must be a string" '{"text": 1}'
lines "byte 10 of the line is not UTF-8: 0xFF" '{"text": "\xff"}'
lines "'by' is missing" '{"text": "a"}' --group-field by
lines "'by' must be a name" '{"text": "a", "by": {}}' --group-field by
refuse 2 "tiny.txt has no fields" capture -q "$MODEL" --text tiny.txt \
  --group-field by -o x.dump
mkdir bad/empty
refuse 2 "no .txt and no .jsonl file in this folder" capture -q "$MODEL" \
  --text bad/empty -o x.dump

# -- what info cannot name
printf 'hello' >bad/hello
refuse 2 "expected a dump, SAE or model folder" info bad/hello
refuse 2 "manifest.json" info bad
printf 'SQLite format 3\0' >bad/fake.db
refuse 2 "bad/fake.db" info bad/fake.db
if [ -e /dev/null ]; then refuse 2 "regular file" info /dev/null; fi
