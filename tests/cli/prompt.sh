# headscope prompt: parts add up to what they divide, answers of different
# questions agree with each other, and the heads that do a task stand out.
# tests/compare/lens_torch.py prompt compares the same numbers with PyTorch.
. "$SOURCE/tests/common.sh"
need jq
find . -mindepth 1 -delete
make_dump
make_saes
text="Then, Emma and Rose went to the library. Rose gave a cookie to"
other="Then, Emma and Rose went to the library. Ben gave a cookie to"
prompt() {
  headscope prompt "$MODEL" "$@" "$text" --json --top 1M
}
prompt layer1.sae layer0.sae --minus " Rose" >p.json

# -- the model's own prediction. Catches another position or token, BOS left out.
jq -e '.next.next[0].text == " Emma" and .next.next[0].probability > 0.9 and
  .next.position == 15 and .logit.position == 15 and
  .logit.token.text == " Emma" and .logit.minus.text == " Rose" and
  (.tokens | length) == 16 and .tokens[0].text == "<|endoftext|>" and
  (.next.next | map(.probability) | . == (sort | reverse) and
    (add - 1 | fabs < 1e-5))' p.json >/dev/null || fail "$(head -c 2000 p.json)"
jq -c '{ids: [.tokens[].id], answer_tokens: [.logit.token.id],
  wrong_tokens: [.logit.minus.id]}' p.json >one.jsonl
headscope ablate "$MODEL" --prompts one.jsonl --what all --how zero --json -q \
  >ablate.json
jq -se '.[0].logit.logit - .[1].clean | fabs < 1e-4' p.json ablate.json \
  >/dev/null || fail "not the logits of ablate: $(jq .clean ablate.json)"
# What was surprising is what the distribution in front says of it. Catches a
# shift by one, and rows of other blocks: the text is longer than one.
long="$text Emma. $text Emma. $text Emma."
headscope prompt "$MODEL" "$long" --json --position 33 --top 1M >long.json
jq -e '.tokens[34] as $t | .tokens[0].surprise == null and
  (([.next.next[] | select(.id == $t.id)][0].probability | -log) -
    $t.surprise | fabs < 1e-4)' long.json >/dev/null ||
  fail "$(jq -c '.tokens[34]' long.json)"

# -- all parts add up; those of a layer's SAE to the layer's heads. Catches a
# -- part left out or counted twice, and a W_O that is transposed.
cat >adds.jq <<'END'
def near($x): . - $x | fabs < 1e-4;
def close($x): . - $x | fabs < 1e-6;
def adds($whole; $layers): . as $a |
  (.parts | map(.value) | add | near($whole)) and (.sum | near($whole)) and
  all($layers[]; . as $l |
    ($a.parts | map(select(.layer == $l and has("head")).value) | add) |
    near($a.features | map(select(.layer == $l).value) | add));
END
jq -L . -e 'include "adds"; .logit | adds(.logit; [0, 1]) and
  (.parts | length) == 3 + 4 * 10 and .parts_total == 43 and
  (.parts | map(.value | fabs) | . == (sort | reverse)) and
  (.features | map(select(.feature) | .layer) | unique == [0, 1])' p.json \
  >/dev/null || fail "$(jq -c .logit p.json | head -c 2000)"
# One logit less another is the difference of both.
prompt --token " Emma" >emma.json
prompt --token "id:$(jq .logit.minus.id p.json)" >rose.json
jq -se 'map(.logit) | .[0].logit - (.[1].logit - .[2].logit) | fabs < 1e-4' \
  p.json emma.json rose.json >/dev/null
jq -se '[.[].logit.parts | sort_by(.part) | map(.value)] | transpose |
  all(.[]; .[0] - (.[1] - .[2]) | fabs < 1e-4)' p.json emma.json rose.json \
  >/dev/null
# What comes later does not matter.
prompt --position 5 >five.json
jq -L . -e 'include "adds"; .logit | .position == 5 and adds(.logit; [])' \
  five.json >/dev/null
headscope prompt "$MODEL" "Then, Emma and Rose" \
  --token "$(jq -r .logit.token.text five.json)" --json >short.json
jq -L . -se 'include "adds"; .[0].logit.logit | near($s[0].logit.logit)' \
  --slurpfile s short.json five.json >/dev/null

# -- features, and one of them taken apart. Catches a head's or a source's part
# -- at another place, b_dec on the wrong side, and lists that are cut wrong.
prompt layer0.sae layer1.sae --features 1k >features.json
jq -e '.features as $f | $f.active == ($f.features | length) and
  ($f.features | map([.position, .layer]) | . == sort) and
  all($f.features[]; .source <= .position and (.shares | length) == 8 and
    (.shares | add - 1 | fabs < 1e-5 or . == -1) and
    .shares[.head] == .share and .share == (.shares | max))' features.json \
  >/dev/null || fail "$(jq -c .features features.json | head -c 2000)"
prompt layer0.sae layer1.sae --features 3 >few.json
jq -se '(.[1].features.features | group_by([.position, .layer]) |
    map(sort_by(-.activation)[:3]) | add) == .[0].features.features and
  .[0].features.active == .[1].features.active' few.json features.json \
  >/dev/null
jq -r '.features.features | map(select(.layer == 1 and .position == 15)) |
  max_by(.activation) | "L1F\(.feature)@15"' features.json >name.txt
name=$(cat name.txt)
prompt layer0.sae layer1.sae --feature "$name" --recursive largest >one.json
jq -L . -e --slurpfile all features.json 'include "adds"; .sources as $s |
  ($all[0].features.features[] | select(.layer == 1 and
    .position == 15 and .feature == $s.feature)) as $f |
  ($s.pre | near($s.activation)) and ($s.activation | near($f.activation)) and
  ($s.sum + $s.constant | near($s.pre)) and
  ($s.dfa | map(add) | add | near($s.sum)) and
  ([$s.dfa | map(add), $s.heads] | transpose |
    all(.[]; .[0] - .[1] | fabs < 1e-6)) and
  ($s.dfa | transpose | map(add) | index(max)) == $f.source' one.json \
  >/dev/null || fail "$(jq -c .sources one.json)"

# -- recursive DFA: the largest term, and what adds up to it, step by step.
# -- Catches a LayerNorm that is left out and a step from another token.
jq -L . -e 'include "adds"; .sources as $s | .trace | .path as $p |
  ($p | length) == 1 and .term == ($s.dfa | map(max) | max) and
  $s.dfa[$p[0].head][$p[0].source] == .term and adds(.term; [0]) and
  (.sum | close($p[0].term))' one.json \
  >/dev/null || fail "$(jq -c .trace one.json | head -c 2000)"
# A step on, from every source of a head of the layer below: they are the part.
jq -r '.trace | .path[0] as $p | "L1H\($p.head)@\($p.source) \($p.source)"' \
  one.json >step.txt
read -r step source <step.txt
for ((i = 0; i <= source; i++)); do
  prompt layer0.sae layer1.sae --feature "$name" --recursive "$step L0H3@$i"
done >steps.json
jq -L . -se --slurpfile one one.json 'include "adds"; map(.trace) |
  ($one[0].trace.parts | map(select(.part == "L0H3")) | .[0]) as $part |
  all(.[]; .term as $t | adds($t; []) and (.sum | close($t))) and
  (map(.term) | add | close($part.value)) and
  (.[$part.source].term | close($part.source_value)) and
  all(.[]; (.path | length) == 2)' steps.json >/dev/null ||
  fail "$(jq -c '.trace | [.term, .sum, .path]' steps.json)"

# -- edits. A head taken off does what ablate says; a factor of one, nothing.
prompt layer0.sae layer1.sae --edit L3H1 --minus " Rose" >edit.json
headscope ablate "$MODEL" --prompts one.jsonl --what L3H1 --how zero --json -q \
  >ablate.json
jq -L . -se 'include "adds"; .[0].edit as $e | .[1] as $a |
  ($e.logit.after | near($a.edits[0].metric)) and
  ($e.logit.before | near($a.clean)) and $e.kl > 0.01 and
  ($e.next | map([.before, .after] | max) | . == (sort | reverse)) and
  ($e.next | map(.after) | add | near(1))' edit.json ablate.json >/dev/null ||
  fail "$(jq -c .edit edit.json | head -c 1000)"
prompt layer0.sae layer1.sae --edit "L3H1x1+${name%@*}x1" >same.json
jq -e '.edit.kl < 1e-7 and all(.edit.next[]; .before == .after) and
  .edit.edits == [{what: "L3H1", how: "scale", factor: 1},
    {what: $name, how: "scale", factor: 1}]' --arg name "${name%@*}" same.json \
  >/dev/null || fail "$(jq -c .edit same.json | head -c 1000)"
prompt layer0.sae layer1.sae --with "$other" --edit \
  "L0=other+L1=other+L2=other+L3=other@-1" 2>err.log && fail "order"
prompt layer0.sae layer1.sae --with "$other" --edit \
  "L0=other+L1=other+L2=other+L3=other" >patch.json
headscope prompt "$MODEL" "$other" --json >other.json

# -- beside another text
jq -L . -se 'include "adds"; .[0].compare as $c | .[1].next.next[0] as $n |
  ($c.next[] | select(.id == $n.id).after | near($n.probability)) and
  $c.kl > 0.1 and $c.other_position == 15 and
  ($c.tokens | map(.position) == [range(16)]) and
  ($c.tokens | map(select(.same | not).position) == [11]) and
  all($c.tokens[:11][]; .distance | add == 0) and
  all($c.features[]; .position >= 11 and .before != .after)' patch.json \
  other.json >/dev/null || fail "$(jq -c .compare patch.json | head -c 2000)"
# The last token is the same, so with the other's heads it predicts the same.
jq -e '.edit.kl - .compare.kl | fabs < 1e-5' patch.json >/dev/null ||
  fail "$(jq -c '[.edit.kl, .compare.kl]' patch.json)"
# Texts of other lengths: what is the same at both ends.
prompt --with "${other/Ben/Then Ben}" >longer.json
jq -e '.compare | (.tokens | map([.position, .other])) ==
  ([range(11) | [., .]] + [range(12; 16) | [., . + 1]])' longer.json \
  >/dev/null || fail "$(jq -c .compare.tokens longer.json)"

# -- neither the number of threads nor other questions change anything
prompt layer0.sae layer1.sae --features 1k --threads 1 >threads.json
cmp features.json threads.json

# -- the heads that do a task are in the top quarter by direct logit attribution:
# -- of the indirect object those of tests/golden/lens (2.1, 3.0, 3.1, 3.2), of
# -- greater-than 2.3 and 3.4. Its 2.2 works through other heads, not directly.
top_quarter() {
  jq -se '[.[].logit.parts[] | select(has("head"))] | group_by(.part) |
    map({key: .[0].part, value: (map(.value | fabs) | add)}) |
    sort_by(-.value)[:8] | map(.key)' "$1" >top.json
  jq -e --arg heads "$2" '($heads | split(" ")) - . == []' top.json >/dev/null ||
    fail "$1: $2 are not all in $(jq -c . top.json)"
}
head -n 12 "$MODEL/tasks/ioi.jsonl" >tasks.jsonl
jq -r '[.text, .answer_tokens[0], .wrong_tokens[0]] | @tsv' tasks.jsonl |
  while IFS=$'\t' read -r words answer wrong; do
    headscope prompt "$MODEL" "$words" --json --top 1M --token "id:$answer" \
      --minus "id:$wrong"
  done >ioi.json
top_quarter ioi.json "L2H1 L3H0 L3H1 L3H2"
for words in "song 1140 11" "plan 1439 14" "war 1550 15" "trip 1645 16"; do
  read -r what from century <<<"$words"
  headscope prompt "$MODEL" --json --top 1M --token 70 --minus 20 \
    "The $what lasted from the year $from to the year $century"
done >greater_than.json
top_quarter greater_than.json "L2H3 L3H4"

# -- for a person
headscope prompt "$MODEL" layer1.sae "$text" --top 5 >table.log
grep -q "^ *Emma  *0.9" table.log
grep -qE "^logit of ' Emma' [0-9.]+, the sum of$" table.log
grep -qE "^  L3H[0-9]+  *[+-][0-9.]+  [+-][0-9.]+ from [0-9]+ '" table.log
grep -q "^of which through SAEs$" table.log
[ "$(wc -l <table.log)" = $((1 + 1 + 1 + 5 + 1 + 1 + 5 + 1 + 1 + 5)) ]
headscope prompt "$MODEL" layer1.sae "$text" --features 1 --feature "$name" \
  --recursive largest --with "$other" --edit "L1H2x0.5+L3=other@2" \
  2>err.log >table.log && fail "a position behind =other"
headscope prompt "$MODEL" layer1.sae "$text" --features 1 --feature "$name" \
  --recursive largest --with "$other" --edit "L1H2x0.5+L3@-1=other" >table.log
for line in "features by token, .* are active$" " at 15 ' to': activation " \
  ", through $step.*, the sum of$" "with L1H2 times 0.5, L3@15 as in the" \
  "beside the other prompt, 16 tokens aligned: KL"; do
  grep -q "$(sed 's/@\([0-9]*\)/ from \1/' <<<"$line")" table.log ||
    grep -q "$line" table.log || fail "no '$line': $(cat table.log)"
done

# -- bad input, each its own message
refuse 1 "missing arguments" prompt "$MODEL"
refuse 2 "the prompt is empty" prompt "$MODEL" ""
refuse 2 "the prompt is empty" prompt "$MODEL" "" --bos never
refuse 2 "the control character U+0007 at byte 1;" prompt "$MODEL" $'a\ab'
refuse 2 "tokens, but the model only 256 positions" prompt "$MODEL" \
  "$(printf 'a %.0s' {1..400})"
refuse 2 "tokens 0 to 1, or -1 to -2" prompt "$MODEL" a --position 2
refuse 2 "write a number" prompt "$MODEL" a --position x
refuse 2 "token ' indubitably' is" prompt "$MODEL" a --token " indubitably"
refuse 2 "the model has ids 0 to 2047" prompt "$MODEL" a --token id:2048
refuse 2 "is not UTF-8" prompt "$MODEL" "$(printf 'a\xff')"
refuse 2 "no-such.sae" prompt "$MODEL" no-such.sae a
refuse 2 "L2F1@0: layer 2 has no SAE here" prompt "$MODEL" layer0.sae a \
  --feature L2F1@0
refuse 2 "features 0 to 511" prompt "$MODEL" layer0.sae a --feature L0F512@0
refuse 2 "a feature at a token, as L2F130@5" prompt "$MODEL" layer0.sae a \
  --feature L0F1
refuse 2 "--recursive needs a --feature" prompt "$MODEL" a --recursive largest
refuse 2 "a head of the feature's layer 0" prompt "$MODEL" layer0.sae a \
  --feature L0F1@1 --recursive L1H0@0
refuse 2 "a head of a layer below" prompt "$MODEL" layer0.sae a \
  --feature L0F1@1 --recursive "L0H1@1 L0H0@0"
refuse 2 "the source stands behind token 0" prompt "$MODEL" layer0.sae a \
  --feature L0F1@0 --recursive L0H1@1
refuse 2 "the path has no step" prompt "$MODEL" layer0.sae a \
  --feature L0F1@0 --recursive " "
refuse 2 "no edits are named" prompt "$MODEL" a --edit "+"
refuse 2 "behind x stands a factor" prompt "$MODEL" a --edit L0H1xx
refuse 2 "only =other can be set" prompt "$MODEL" a --edit L0H1=3
refuse 2 "L0H1=other needs another prompt" prompt "$MODEL" a --edit L0H1=other
refuse 2 "the prompt has 2 tokens, the other 3" prompt "$MODEL" a --edit \
  L0H1=other --with "a b"
refuse 2 "L0H1@7: position 7" prompt "$MODEL" a --edit L0H1@7
refuse 2 "L1F0: no SAE of layer 1" prompt "$MODEL" layer0.sae a --edit L1F0
refuse 2 "--with: the prompt is empty" prompt "$MODEL" a --with ""
