# headscope circuit: from prompts to ranked heads, into the database and out of it
# by SQL; circuit truth and circuit faithful in the model; bad input.
. "$SOURCE/tests/common.sh"
need jq
need sqlite3
find . -mindepth 1 -delete
tasks=$MODEL/tasks
cat "$tasks/ioi.jsonl" "$tasks/ioi_reference.jsonl" >ioi.jsonl

# -- capture keeps what the prompts say
headscope capture "$MODEL" --prompts ioi.jsonl -o ioi.dump -q >out.log
jq -s 'map({a: .label, b: .answer_tokens, c: .wrong_tokens})' ioi.jsonl >want.json
jq 'map({a: .label, b: .answer_tokens, c: .wrong_tokens})' ioi.dump/prompts.json >got.json
cmp want.json got.json
jq -e --slurpfile p ioi.jsonl '[., $p] | transpose |
  all(.[]; .[0].position == (.[1].ids | length) - 1)' ioi.dump/prompts.json \
  >/dev/null
headscope info ioi.dump --verify >info.log
grep -q '^groups  *2$' info.log

# -- truth: the heads that matter, those that the model's authors found on other
# -- prompts (L2H1, L3H0, L3H1, L3H2; the third only by patching)
options=(--prompts "$tasks/ioi.jsonl" --reference "$tasks/ioi_reference.jsonl"
  --layout meta.template -q)
partner=(--corrupted "$tasks/ioi_corrupted.jsonl")
headscope circuit truth "$MODEL" "${options[@]}" "${partner[@]}" \
  -o truth.json >truth.log
jq -ec '.circuit == [[2, 1], [3, 0], [3, 1], [3, 2]]' truth.json >/dev/null ||
  fail "$(jq -c .circuit truth.json)"
grep -qE '^L2H1  +-4\.' truth.log
# Its effects are those of ablate.
headscope ablate "$MODEL" "${options[@]}" "${partner[@]}" --json >mean.json
jq -se '[(.[0].heads | map(.mean_ablate.change)), (.[1].edits | map(.change))] |
  transpose | length == 32 and all(.[]; .[0] - .[1] | fabs < 1e-5)' \
  truth.json mean.json >/dev/null
# A rule that asks for more leaves fewer.
headscope circuit truth "$MODEL" "${options[@]}" "${partner[@]}" --json \
  --min-share 0.25 | jq -ec '.circuit == [[2, 1], [3, 0], [3, 2]]' >/dev/null

# -- faithful: nothing kept is 0, all is 1, and the truth's order beats chance
headscope circuit faithful "$MODEL" "${options[@]}" --heads truth.json --json \
  >faithful.json
jq -e '.faithfulness | (last | .heads == 32 and (.faithfulness - 1 | fabs < 1e-6)
  and (.random - 1 | fabs < 1e-6)) and
  (.[3] | .heads == 4 and .faithfulness > 0.8 and .random < 0.5)' \
  faithful.json >/dev/null || fail "$(cat faithful.json)"

# -- circuit: the report
circuit() {
  headscope circuit ioi.dump --truth truth.json --seeds 2 --steps 200 -q "$@"
}
circuit --json -o c.db >c.json
jq -e '(.auc.mean > 0.5) and (.auc_shuffled.mean > 0.4) and
  (.auc_mean_difference > 0.8) and (.auc_probe >= 0) and
  (.heads | length) == 32 and (.heads | map(select(.in_truth)) | length) == 4 and
  (.heads | map(.score) | . == (sort | reverse)) and
  .examples == 120 and .positives == 24 and (.seeds | length) == 2 and
  all(.heads[]; (.scores | add / 2) - .score | fabs < 1e-9)' c.json \
  >/dev/null || fail "$(cat c.json)"
# A score is the number of codes that only positives have, and those are listed.
jq -e 'all(.heads[]; (.positive_codes | length) == .scores[0])' c.json \
  >/dev/null
jq -e --slurpfile p ioi.jsonl 'all(.heads[].positive_codes[].contexts[];
  $p[.].label == 1)' c.json >/dev/null
# AUC by its definition, from the heads themselves.
jq -e '(.heads | map({s: .scores[0], t: .in_truth})) as $h |
  ([$h[] | select(.t)] | length) as $n |
  ([$h[] | select(.t) as $a | $h[] | select(.t | not) | if $a.s > .s then 1
    elif $a.s == .s then 0.5 else 0 end] | add / ($n * (32 - $n))) as $first |
  (.heads | map({s: .scores[1], t: .in_truth})) as $h |
  ([$h[] | select(.t) as $a | $h[] | select(.t | not) | if $a.s > .s then 1
    elif $a.s == .s then 0.5 else 0 end] | add / ($n * (32 - $n))) as $second |
  .auc.mean - ($first + $second) / 2 | fabs < 1e-9' c.json >/dev/null

# -- any number of threads gives the same
circuit --json --threads 1 >one.json
circuit --json --threads 3 >three.json
cmp one.json three.json

# -- SQL: the node score from the codes is the command's
sqlite3 c.db "SELECT name, score FROM node_score_of_head ORDER BY layer, head" \
  >sql.log
jq -r '.heads | sort_by(.head)[] | "\(.head)|\(.scores[0] | floor)"' c.json |
  sort >json.log
sort sql.log | cmp - json.log
[ "$(sqlite3 c.db "SELECT count(*) FROM circuit_prompt WHERE label = 1 AND
  text LIKE '<|endoftext|>%'")" = 24 ]
[ "$(sqlite3 c.db "SELECT max(pairs) FROM circuit_edge")" = \
  "$(jq '.edges[0].pairs | floor' c.json)" ]
[ -z "$(sqlite3 c.db 'PRAGMA foreign_key_check; PRAGMA integrity_check' |
  grep -v ok)" ]
# And what the page shows beside: tokens, places and answers of the prompts,
# figures over seeds, effects from the truth.
[ "$(sqlite3 c.db "SELECT count(*) FROM circuit_prompt AS p WHERE text =
  (SELECT group_concat(text, '') FROM (SELECT text FROM circuit_token AS t
    WHERE t.circuit = p.circuit AND t.prompt = p.prompt ORDER BY position))
  AND position = (SELECT max(position) FROM circuit_token AS t
    WHERE t.prompt = p.prompt)")" = 120 ]
jq -r 'select(.label == 1).answer' ioi.jsonl >want.log
sqlite3 c.db "SELECT answer FROM circuit_prompt WHERE label = 1
  ORDER BY prompt" | cmp - want.log
sqlite3 -json c.db "SELECT auc_edges_sd, auc_shuffled_sd, precision,
  precision_sd, recall, recall_sd, f1, f1_sd, paper_f1, paper_f1_sd
  FROM circuit" >figures.json
jq -e --slurpfile c c.json '$c[0] as $c | .[0] | to_entries | length == 10 and
  all(.[]; (.key | rtrimstr("_sd")) as $k | $c[$k][if .key == $k then "mean"
    else "sd" end] - .value | fabs < 1e-9)' figures.json >/dev/null ||
  fail "$(cat figures.json)"
sqlite3 -json c.db "SELECT effect FROM circuit_head ORDER BY layer, head" |
  jq -e --slurpfile t truth.json '[., $t[0].heads] | transpose |
    length == 32 and all(.[]; .[0].effect -
      .[1].mean_ablate.fraction_of_gap | fabs < 1e-9)' >/dev/null ||
  fail "not the effects of the truth"
headscope view c.db --dry-run -q >out.log
# A truth without effects leaves them out.
jq '{circuit}' truth.json >heads.json
headscope circuit ioi.dump --truth heads.json --seeds 1 --steps 50 -q \
  -o bare.db >out.log
[ "$(sqlite3 bare.db 'SELECT count(effect), sum(in_circuit) FROM circuit_head')" = \
  "0|4" ]
# The same again replaces it; another stands beside it, and overlaps.
circuit -o c.db >out.log
cp -r ioi.dump other.dump
headscope circuit other.dump --truth truth.json --seeds 1 --steps 50 -q -o c.db \
  >out.log
[ "$(sqlite3 c.db 'SELECT group_concat(name) FROM circuit')" = ioi,other ]
[ "$(sqlite3 c.db "SELECT both, jaccard, of_first, expected FROM circuit_overlap
  WHERE name = 'ioi'")" = "4|1.0|1.0|0.5" ]
# A database of SAEs takes it too, and stays as it is otherwise.
make_dump
make_saes
headscope encode tiny.dump layer0.sae -o sae.db -q >out.log
sqlite3 sae.db "SELECT count(*), sum(level) FROM activation" >before.log
circuit -o sae.db >out.log
sqlite3 sae.db "SELECT count(*), sum(level) FROM activation" | cmp - before.log
[ "$(sqlite3 sae.db 'SELECT name FROM circuit')" = ioi ]

# -- other vectors, positions and scores
for option in "--position last" "--position -2" "--position 3" "--vectors z" \
  "--score share" "--theta 0.03"; do
  # shellcheck disable=SC2086
  circuit $option --json | jq -e '.auc.mean >= 0' >/dev/null ||
    fail "circuit $option"
done
# The answer score's chance is that of its answers shuffled, and codes tell more.
circuit --score answer --position last --json >answer.json
jq -e '(.auc_shuffled.mean < 0.75) and .auc.mean > .auc_shuffled.mean and
  (.auc_answer_share > 0.5) and all(.heads[]; .answer_share | . >= 0 and . <= 1)' \
  answer.json >/dev/null || fail "$(jq -c 'del(.heads, .edges)' answer.json)"
circuit --preset oneill --seeds 1 --dry-run --json | jq -e '.options |
  .features == 200 and .lambda == 0.02 and .steps == 200 and .examples == 10 and
  .seeds == 1 and .position == "mean" and .vectors == "result" and
  .score == "codes"' >/dev/null
headscope circuit ioi.dump --preset oneill --dry-run --json |
  jq -e '.options | .seeds == 10 and .steps == 500' >/dev/null
circuit --top 3 >table.log
grep -qE '^L[0-3]H[0-7] ( +[0-9.]+){4}  (yes|no)$' table.log
grep -qE '^AUC, labels shuffled  +0\.[0-9]+ ± 0' table.log

# -- bad input
refuse 2 "has no labels" circuit tiny.dump
jq -c 'select(.label == 1)' ioi.jsonl >positive.jsonl
headscope capture "$MODEL" --prompts positive.jsonl -o positive.dump -q >out.log
refuse 2 "24 positive and 0 negative examples; both are needed" circuit \
  positive.dump
refuse 2 "121 examples are to train, but the task has 120" circuit ioi.dump \
  --examples 121 -q
refuse 2 "none at position 40" circuit ioi.dump --position 40 -q
refuse 2 "there is only oneill" circuit ioi.dump --preset kissane -q
jq -c 'del(.answer, .answer_tokens)' ioi.jsonl >silent.jsonl
headscope capture "$MODEL" --prompts silent.jsonl -o silent.dump -q >out.log
refuse 2 "none has an answer" circuit silent.dump --score answer -q
headscope circuit silent.dump --truth truth.json --seeds 1 --steps 20 --json -q |
  jq -e '.auc_answer_share == null' >/dev/null
jq -c '.answer = null | .answer_tokens = [983]' ioi.jsonl >one.jsonl
headscope capture "$MODEL" --prompts one.jsonl -o one.dump -q >out.log
refuse 2 "all have the same" circuit one.dump --score answer -q
refuse 2 "--position x" circuit ioi.dump --position x -q
refuse 2 "no active feature" circuit ioi.dump --lambda 1000 --rate 0.1 -q
for label in 0 1 0 1; do
  echo "{\"text\": \"One day\", \"label\": $label}"
done >same.jsonl
headscope capture "$MODEL" --prompts same.jsonl -o same.dump -q >out.log
refuse 2 "every head has one code for all examples" circuit same.dump \
  --examples 2 -q
echo '{"circuit": [[2, 9]]}' >bad.json
refuse 2 "head L2H9, but the dump has layers 0 to 3 of 8 heads" circuit ioi.dump \
  --truth bad.json -q
echo '{"circuit": ["L2"]}' >bad.json
refuse 2 'must be [layer, head] or "L2H1"' circuit ioi.dump --truth bad.json -q
echo '{"circuit": []}' >bad.json
refuse 2 "the circuit has 0 of 32 heads" circuit ioi.dump --truth bad.json -q
jq '{heads: .heads[1:]}' truth.json >bad.json
refuse 2 "has 31 of the dump's 32 heads" circuit ioi.dump --truth bad.json -q
echo '{}' >bad.json
refuse 2 "neither 'circuit' nor 'heads'" circuit ioi.dump --truth bad.json -q
refuse 2 "must be an array of the model's 32 heads" circuit faithful "$MODEL" \
  --prompts "$tasks/ioi.jsonl" --heads bad.json -q
refuse 1 "give --heads" circuit faithful "$MODEL" --prompts ioi.jsonl
refuse 1 "give --text FILE or --prompts" capture "$MODEL" -o x.dump
refuse 1 "give one of them" capture "$MODEL" -o x.dump --text ioi.jsonl \
  --prompts ioi.jsonl
cp other.dump/prompts.json prompts.json
jq '.[2].answer_tokens = [-1]' prompts.json >other.dump/prompts.json
refuse 2 "context 2: 'answer_tokens' must be an array of" circuit other.dump -q
cp prompts.json other.dump/prompts.json
sed -i 's/"position": 15/"position": 999/' other.dump/prompts.json
refuse 2 "'position' is 999" circuit other.dump -q
jq '.[1:]' ioi.dump/prompts.json >other.dump/prompts.json
refuse 2 "must be an array with an object for each of the 120 contexts" circuit \
  other.dump -q
jq '.[0].answer_tokens = ["x"]' ioi.dump/prompts.json >other.dump/prompts.json
refuse 2 "context 0: 'answer_tokens' must be an array of token ids" circuit \
  other.dump -q
