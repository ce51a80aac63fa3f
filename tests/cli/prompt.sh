# headscope prompt: the parts of a logit add up to it, and features to heads.
. "$SOURCE/tests/common.sh"
need jq
find . -mindepth 1 -delete
make_dump
make_saes
text="Then, Emma and Rose went to the library. Rose gave a cookie to"
prompt() {
  headscope prompt "$MODEL" "$@" "$text" --json
}
prompt layer1.sae layer0.sae --minus " Rose" >p.json

# -- the model's own prediction. Catches another position or token, BOS left out.
jq -e '.next[0].text == " Emma" and .next[0].probability > 0.9 and
  .token.text == " Emma" and .minus.text == " Rose" and .position == 15 and
  (.tokens | length) == 16 and .tokens[0].text == "<|endoftext|>" and
  (.next | map(.probability) | . == (sort | reverse) and add <= 1)' p.json \
  >/dev/null || fail "$(cat p.json)"
jq -c '{ids: [.tokens[].id], answer_tokens: [.token.id],
  wrong_tokens: [.minus.id]}' p.json >one.jsonl
headscope ablate "$MODEL" --prompts one.jsonl --what all --how zero --json -q \
  >ablate.json
jq -se '.[0].logit - .[1].clean | fabs < 1e-4' p.json ablate.json >/dev/null ||
  fail "not the logits of ablate: $(jq .logit p.json) $(jq .clean ablate.json)"

# -- all parts add up; those of a layer's SAE to the layer's heads. Catches a
# -- part left out or counted twice, and a W_O that is transposed.
jq -e '.logit as $logit | (.parts | map(.logit) | add) as $sum |
  ($sum - $logit | fabs < 1e-4) and (.sum - $sum | fabs < 1e-9) and
  (.parts | length) == 3 + 4 * 10' p.json >/dev/null || fail "$(cat p.json)"
for layer in 0 1; do
  jq -e --arg l "L$layer" '
    (.parts | map(select(.part | test("^" + $l + "H"))) | map(.logit) | add) -
    (.features | map(select(.part | startswith($l))) | map(.logit) | add) |
    fabs < 1e-6' p.json >/dev/null || fail "layer $layer: $(cat p.json)"
  jq -e --arg l "L$layer" '.features | map(select(.part | test("^" + $l + "F"))) |
    length > 4' p.json >/dev/null
done
# One logit less another is the difference of both.
prompt --token " Emma" >emma.json
prompt --token " Rose" >rose.json
jq -se '.[0].logit - (.[1].logit - .[2].logit) | fabs < 1e-4' p.json emma.json \
  rose.json >/dev/null
jq -se '[.[].parts | map(.logit)] | transpose |
  all(.[]; .[0] - (.[1] - .[2]) | fabs < 1e-4)' p.json emma.json rose.json \
  >/dev/null
# What comes later does not matter.
prompt --position 5 >five.json
jq -e '.position == 5 and (.logit - .sum | fabs < 1e-4)' five.json >/dev/null
headscope prompt "$MODEL" "Then, Emma and Rose" --token "$(jq -r .token.text five.json)" --json | jq .logit >short.log
jq -e --argjson short "$(cat short.log)" '.logit - $short | fabs < 1e-4' \
  five.json >/dev/null

# -- for a person
headscope prompt "$MODEL" layer1.sae "$text" --top 5 >table.log
grep -q "^ *Emma  *0.9" table.log
grep -qE "^logit of ' Emma' [0-9.]+, the sum of$" table.log
grep -qE "^  L3H[0-9]+  *[+-][0-9.]+$" table.log
grep -q "^of which through SAEs$" table.log
[ "$(wc -l <table.log)" = $((1 + 1 + 1 + 10 + 1 + 1 + 5 + 1 + 1 + 5)) ]

# -- bad input
refuse 1 "missing arguments" prompt "$MODEL"
refuse 2 "the prompt is empty" prompt "$MODEL" "" --bos never
refuse 2 "tokens, but the model only 256 positions" prompt "$MODEL" \
  "$(printf 'a %.0s' {1..400})"
refuse 2 "tokens 0 to 1, or -1 to -2" prompt "$MODEL" a --position 2
refuse 2 "tokens 0 to 1, or -1 to -2" prompt "$MODEL" a --position x
refuse 2 "--token ' indubitably' is" prompt "$MODEL" a --token " indubitably"
refuse 2 "is not UTF-8" prompt "$MODEL" "$(printf 'a\xff')"
refuse 2 "no-such.sae" prompt "$MODEL" no-such.sae a
