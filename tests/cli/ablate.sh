# headscope ablate: effects of heads against numbers that another implementation
# found (tests/compare/lens_torch.py), features against heads, and bad input.
. "$SOURCE/tests/common.sh"
need jq
need python3
find . -mindepth 1 -delete
tasks=$MODEL/tasks
golden=$SOURCE/tests/golden/lens
ablate() {
  headscope ablate "$MODEL" --prompts "$tasks/ioi.jsonl" -q "$@"
}

# -- every head in four ways. Catches the wrong head, position, mean, partner,
# -- sign or token, and errors that are not of the mean.
# same HOW FILE: changes and standard errors as in the golden numbers
same() {
  jq -se --arg how "$1" '.[0] as $got | .[1] as $want |
    def near(a; b): [a, b] | transpose |
      length == 32 and all(.[]; .[0] - .[1] | fabs < 1e-3);
    near($got.edits | map(.change); $want[$how].change) and
    near($got.edits | map(.se); $want[$how].se) and
    ($got.clean - $want.clean | fabs < 1e-3) and
    ($got.corrupted - $want.corrupted | fabs < 1e-3)' \
    "$2" "$golden/ioi_effects.json" >/dev/null ||
    fail "$1: $(cat "$2")"
}
partner=(--corrupted "$tasks/ioi_corrupted.jsonl")
ablate "${partner[@]}" --how zero --json >zero.json
same zero zero.json
ablate "${partner[@]}" --reference "$tasks/ioi_reference.jsonl" \
  --layout meta.template --json >mean.json
same mean mean.json
ablate "${partner[@]}" --how patch --json >patch.json
same patch patch.json
ablate "${partner[@]}" --how patch --restore --json >restore.json
same restore restore.json
jq -e '.edits[17] | .what == "L2H1" and
  (.fraction_of_gap - .change / ('"$(jq '.clean - .corrupted' mean.json)"') |
    fabs < 1e-9)' mean.json >/dev/null

# -- what is the same by definition
# of FIELD OPTION...: that field of the only set
of() {
  local field=$1
  shift
  ablate "$@" --json | jq ".edits[0].$field"
}
near() {
  jq -ne "$1 - $2 | fabs < ${3-1e-6}" >/dev/null || fail "$1 is not $2"
}
near "$(of metric --what L2H1 --how scale --factor 0)" \
  "$(of metric --what L2H1 --how zero)"
near "$(of change --what L2H1 --how scale --factor 1)" 0
heads=L2H0+L2H1+L2H2+L2H3+L2H4+L2H5+L2H6+L2H7
near "$(of metric --what $heads --how zero)" "$(of metric --what L2 --how zero)"
near "$(of metric --what not:L2H1 --how zero)" \
  "$(of metric --what "$(for l in 0 1 2 3; do for h in 0 1 2 3 4 5 6 7; do
    [ $l$h = 21 ] || printf 'L%dH%d+' $l $h
  done; done | sed 's/+$//')" --how zero)"
near "$(of metric --what all --how patch "${partner[@]}")" \
  "$(jq .corrupted patch.json)" 1e-3
# One position at a time: the last is @-1; z of layer 3 only counts there.
near "$(of metric --what L3H2@-1 --how zero)" "$(of metric --what L3H2 --how zero)"
near "$(of change --what L3H2@0 --how zero)" 0

# -- features: what an SAE does not explain stays, and what is zeroed is gone
make_dump
make_saes
sae=(--sae layer1.sae)
near "$(of change --what L1F3 --how scale --factor 1 "${sae[@]}")" 0
all=$(for f in {0..511}; do printf 'L1F%d+' "$f"; done | sed 's/+$//')
off=$(of change --what "$all" --how zero "${sae[@]}")
jq -ne "$off | fabs > 0.001" >/dev/null || fail "no feature does anything"
near "$(of change --what "$all" --how scale --factor 0 "${sae[@]}")" "$off"
# A little more and a little less lie on opposite sides, as far.
jq -ne "$(of change --what "$all" --how scale --factor 1.01 "${sae[@]}") /
  $(of change --what "$all" --how scale --factor 0.99 "${sae[@]}") |
  . > -1.3 and . < -0.7" >/dev/null || fail "features do not scale"
# Means over prompts of the same layout change less than zeros.
jq -ne "$(of change --what "$all" --how mean "${sae[@]}") / $off |
  fabs < 0.5" >/dev/null || fail "means of features change as much as zeros"

# -- other metrics; text as prompts; any number of threads gives the same
for metric in logit-mean-diff mass-diff mass answer-loss loss; do
  [ "$(of metric --what L2H1 --metric $metric)" != null ] || fail "$metric"
done
jq -ne "$(of change --what L2H1 --metric answer-loss) > 0 and
  $(of change --what L2H1 --metric mass) < 0" >/dev/null
printf '%s\n' '{"text": "Then, Tom and Anna went", "answer": " to", "wrong": [" a", " the"]}' \
  '{"text": "Once upon a", "answer_tokens": [5], "wrong_tokens": [7], "position": 1}' >mine.jsonl
headscope ablate "$MODEL" --prompts mine.jsonl --what all --how zero -q >out.log
grep -q '^2 prompts, clean ' out.log
grep -q '^all  ' out.log
ablate --how zero --threads 1 --json | jq 'del(.seconds)' >one.json
ablate --how zero --threads 3 --json | jq 'del(.seconds)' >three.json
cmp one.json three.json
# The head that the task needs, at its mean over text.
ablate --reference tiny.txt --what L2H1 --json >text.json
jq -e '.edits[0].change < -3' text.json >/dev/null || fail "$(cat text.json)"
ablate --dry-run | grep -q 'would run 24 prompts 33 times'

# -- bad input
refuse 1 "no prompts" ablate "$MODEL"
refuse 1 "give --corrupted" ablate "$MODEL" --prompts mine.jsonl --how patch
refuse 2 "layers 0 to 3" ablate "$MODEL" --prompts mine.jsonl --what L4
refuse 2 "heads 0 to 7" ablate "$MODEL" --prompts mine.jsonl --what L1H8
refuse 2 "write a head as L2H1" ablate "$MODEL" --prompts mine.jsonl --what 2.1
refuse 2 "write a head as L2H1" ablate "$MODEL" --prompts mine.jsonl \
  --what L2H1+
refuse 2 "only heads" ablate "$MODEL" --prompts mine.jsonl --what not:L2
refuse 2 "no SAE of layer 2" ablate "$MODEL" --prompts mine.jsonl --what L2F1 \
  --how zero
refuse 2 "no SAE of layer 2" ablate "$MODEL" --prompts mine.jsonl --what L2F1
refuse 2 "features 0 to 511" ablate "$MODEL" --prompts mine.jsonl \
  --what L1F512 --sae layer1.sae --how zero
refuse 2 "no position 5" ablate "$MODEL" --prompts mine.jsonl --what L1H1@5 \
  --how zero -q
refuse 2 "already" ablate "$MODEL" --prompts mine.jsonl \
  --sae layer1.sae,layer1.sae
refuse 2 "each line needs its partner" ablate "$MODEL" --prompts mine.jsonl \
  --corrupted "$tasks/ioi.jsonl" --how patch
# bad WORDS LINE: a file of that line is refused with the words and its place
bad() {
  printf '\n%s\n' "$2" >bad.jsonl
  refuse 2 "bad.jsonl: line 2: $1" ablate "$MODEL" --prompts bad.jsonl
}
bad "no valid JSON" '{"text": '
bad "must be a JSON object" '[1]'
bad "neither 'text' nor 'ids'" '{"label": 1}'
bad "'text' must be a string" '{"text": 3}'
bad "the prompt is empty" '{"ids": []}'
bad "'ids' must be an array" '{"ids": "x"}'
bad "'ids': entry 1 must be a token id from 0 to 2047" '{"ids": [1, 2048]}'
bad "'ids': entry 0 must be" '{"ids": [-1]}'
bad "'ids': entry 0 must be" '{"ids": [1.5]}'
bad "'answer' must be one token" '{"text": "a", "answer": " indubitably"}'
bad "'label' is 2" '{"text": "a", "label": 2}'
bad "'position' is 9" '{"text": "a", "position": 9}'
bad "the prompt has 300 tokens, but the model only 256 positions" \
  "{\"ids\": [$(printf '1,%.0s' {1..299})1]}"
: >empty.jsonl
refuse 2 "no prompts in it" ablate "$MODEL" --prompts empty.jsonl
printf '{"text": "a b"}\n' >bare.jsonl
refuse 2 "prompt 1 has no answer tokens" ablate "$MODEL" --prompts bare.jsonl \
  --how zero -q
headscope ablate "$MODEL" --prompts bare.jsonl --how zero --metric loss -q \
  >out.log
refuse 2 "no field 'meta.template'" ablate "$MODEL" --prompts bare.jsonl \
  --layout meta.template
printf '{"text": "a b c d"}\n' >long.jsonl
refuse 2 "no context of the layout" ablate "$MODEL" --prompts mine.jsonl \
  --reference long.jsonl -q
# Text to take means over: a folder may hold .jsonl too, and a model may have
# room for one token only.
mkdir texts
cp mine.jsonl texts/a.jsonl
printf 'Once upon a time\n' >texts/b.txt
ablate --reference texts --what L2H1 --json >folder.json
[ "$(jq .edits[0].what folder.json)" = '"L2H1"' ]
mkdir short
cp "$MODEL"/*.json "$MODEL/merges.txt" short
sed -i 's/"n_positions": 256/"n_positions": 1/' short/config.json
python3 - "$MODEL" <<'END'
import json, struct, sys
data = open(sys.argv[1] + "/model.safetensors", "rb").read()
n, = struct.unpack("<Q", data[:8])
old, header, body = json.loads(data[8:8 + n]), {}, b""
for name, t in old.items():
    if name == "__metadata__":
        continue
    a, b = t["data_offsets"]
    if name == "wpe.weight":
        t["shape"][0], b = 1, a + (b - a) // t["shape"][0]
    header[name] = t | {"data_offsets": [len(body), len(body) + b - a]}
    body += data[8 + n + a:8 + n + b]
text = json.dumps(header).encode()
open("short/model.safetensors", "wb").write(
    struct.pack("<Q", len(text)) + text + body)
END
printf '{"ids": [5], "answer_tokens": [6], "wrong_tokens": [7]}\n' >token.jsonl
refuse 2 "no room beside the BOS token" ablate short --prompts token.jsonl \
  --reference texts/b.txt -q
headscope ablate short --prompts token.jsonl --reference texts/b.txt --bos never \
  --what L2H1 -q >token.log
# One prompt has no standard error, equal prompts have no gap.
grep -qE '^L2H1 +-?[0-9.]+ +[+-][0-9.]+ +-$' token.log
headscope ablate "$MODEL" --prompts mine.jsonl --corrupted mine.jsonl \
  --how patch --what L2H1 -q >gap.log
grep -qE '^L2H1 .* -$' gap.log
