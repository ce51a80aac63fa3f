# headscope induction: sequences are what they should be, heads that copy are
# found, and nothing depends on threads. tests/compare/lens_torch.py induction
# compares its numbers with PyTorch.
. "$SOURCE/tests/common.sh"
need jq
find . -mindepth 1 -delete
induction() {
  headscope induction "$MODEL" --count 8 --longest 4 --json -q "$@"
}
induction --prompts seq.jsonl -o plot.svg >a.json

# -- a prefix is repeated at the end, and nothing else. Catches a copy of another
# -- length, a source one off, tokens that repeat by chance.
jq -se 'length == 32 and (map(.prefix) | group_by(.) | map(length)) ==
  [8, 8, 8, 8] and all(.[]; .ids as $t | .prefix as $p | .source as $s |
    ($t | length) == 129 and $t[-$p:] == $t[$s - $p:$s] and
    $s + $p < 129 and $t[0] == 2047 and ($t[1:] | index(2047)) == null and
    ($t | unique | length) == 129 - $p and .answer_tokens == [$t[$s]])' \
  seq.jsonl >/dev/null || fail "$(head -n 1 seq.jsonl)"
[ "$(jq -s 'map(.source) | unique | length' seq.jsonl)" -gt 8 ] ||
  fail "sources do not vary"

# -- heads that copy: the model was trained on repeated sequences. Catches the
# -- row of another head or token; a head that looks at x adds to its logit.
jq -e '(.heads | length) == 32 and
  (.heads | map(.attention[3]) | . == (sort | reverse)) and
  (.heads[0] | .layer == 3 and .attention[3] > 0.4 and .logit[3] > 1 and
    .attention[3] > .attention[0] and .half <= 3) and
  all(.heads[] | select(.layer == 0); .attention[3] < 0.1) and
  all(.heads[]; (.attention_se | length) == 4 and all(.attention_se[]; . >= 0))
  ' a.json >/dev/null || fail "$(jq -c '.heads[:3]' a.json)"
# The sequences are prompts for the other commands: without the heads that copy
# the token is lost.
heads=$(jq -r '[.heads[:4][] | "L\(.layer)H\(.head)"] | join("+")' a.json)
headscope ablate "$MODEL" --prompts seq.jsonl --metric mass --how zero \
  --what "$heads" --json -q >ablate.json
jq -e '.clean > 0.3 and .edits[0].metric < .clean / 4' ablate.json >/dev/null ||
  fail "$heads: $(cat ablate.json)"

# -- the seed decides, threads do not
induction --threads 1 >one.json
cmp a.json one.json
induction --seed 2 >two.json
cmp -s a.json two.json && fail "the seed changes nothing"
jq -e '.heads[0].layer == 3' two.json >/dev/null

# -- two tokens that repeat in text: every example repeats them, and another token
# -- is put where the first of the earlier two stood. Catches a context's pair
# -- read from another, and attention of another pass.
head -c 12000 "$MODEL/corpus.txt" >text.txt
induction --text text.txt >text.json
jq -e '.text | .contexts > 5 and (.heads | length) > 8 and
  (.pairs == (.heads | map(.pairs) | add)) and
  (.heads | map(.replaced - .attention) | . == sort) and
  .heads[0].attention - .heads[0].replaced > 0.1 and
  all(.heads[]; .pairs <= 8 and .attention > 0.3) and
  all(.heads[].examples[]; .ids as $t | .source as $s |
    $t[$s - 2:$s] == $t[-2:] and .token != $t[$s - 2] and $t[0] == 2047)' \
  text.json >/dev/null || fail "$(jq -c .text text.json | head -c 1000)"
induction --text text.txt --threads 1 >one.json
cmp text.json one.json
induction --text text.txt --seed 3 >three.json
jq -se 'map(.text.heads | sort_by([.layer, .head])) |
  (.[0] | map(.attention)) == (.[1] | map(.attention)) and
  (.[0] | map(.replaced)) != (.[1] | map(.replaced))' text.json three.json \
  >/dev/null || fail "the seed decides more or less than the token"

# -- the plot is XML with a line for each of the heads and lengths; a table
python3 - <<'END'
import xml.etree.ElementTree as tree
names = [x.tag.split("}")[1] for x in tree.parse("plot.svg").iter()]
assert names.count("circle") == 2 * 8 * 4, names
END
headscope induction "$MODEL" --count 2 --top 3 -q >table.log
[ "$(grep -cE '^  L3H[0-9] +(-?[0-9.]+ *){9}' table.log)" = 6 ] ||
  fail "$(cat table.log)"

# -- bad input
refuse 2 "exists" induction "$MODEL" -o plot.svg
refuse 2 "only 256 positions" induction "$MODEL" --tokens 256
refuse 2 "do not fit into 16 tokens" induction "$MODEL" --tokens 16
refuse 2 "gone.txt" induction "$MODEL" --text gone.txt
refuse 1 "missing arguments" induction
