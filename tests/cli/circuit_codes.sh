# headscope circuit codes: heads scored from codes of SAEs in a database agree with
# SQL; labels reach the database and leave it; bad input.
. "$SOURCE/tests/common.sh"
need jq
need sqlite3
find . -mindepth 1 -delete
tasks=$MODEL/tasks
cat "$tasks/ioi.jsonl" "$tasks/ioi_reference.jsonl" >ioi.jsonl
make_dump
make_saes
headscope capture "$MODEL" --prompts ioi.jsonl -o ioi.dump -q >out.log
headscope encode ioi.dump layer0.sae layer1.sae -o c.db -q >out.log
codes() { headscope circuit codes c.db -q "$@"; }

# -- the database has labels and the tokens that count
jq -r '"\(.label)|\((.ids | length) - 1)|\(.answer_tokens[0])"' ioi.jsonl \
  >want.log
sqlite3 c.db "SELECT label, t.position, answer FROM prompt AS p
  JOIN token AS t ON t.id = p.token ORDER BY p.context" | cmp want.log -
[ "$(sqlite3 c.db "SELECT count(*) FROM prompt AS p JOIN token AS t
  ON t.id = p.token WHERE t.context <> p.context")" = 0 ]

# -- the view's scores are the command's, at the last token and over all
echo '{"circuit": ["L1H0", "L1H3"]}' >truth.json
for position in last all; do
  codes --position $position --truth truth.json --json >$position.json
  sqlite3 c.db "SELECT head_name, score_$position FROM node_score_from_codes
    ORDER BY layer, head" >sql.log
  jq -r '.heads | sort_by(.head)[] | "\(.head)|\(.score | floor)"' \
    $position.json | cmp - sql.log
  [ "$(cut -d'|' -f2 <sql.log | sort -u | wc -l)" -gt 3 ] || fail "all the same"
done
jq -e '.auc.mean >= 0 and .auc_shuffled.mean >= 0 and .auc_mean_difference == null
  and .auc_probe == null and (.heads | length) == 16 and (.seeds | length) == 1 and
  .examples == 120 and .positives == 24' last.json >/dev/null
jq -e --slurpfile p ioi.jsonl '.heads | all(.[]; (.positive_codes | length) ==
  .score and all(.positive_codes[].contexts; . == unique and
  all(.[]; $p[.].label == 1)))' all.json >/dev/null
# Pairs of heads by their definition: pairs of codes at one token, of some
# positive prompt and of no negative one.
pairs() {
  sqlite3 c.db "WITH k AS (SELECT p.label, c.token, c.head_name AS h, c.feature
      FROM prompt AS p JOIN token AS t ON t.context = p.context
      JOIN head_code AS c ON c.token = t.id WHERE $1)
    SELECT count(*) FROM (SELECT 1 FROM k AS a JOIN k AS b ON b.token = a.token
      WHERE a.h = '$2' AND b.h = '$3'
      GROUP BY a.feature, b.feature HAVING min(a.label) = 1)"
}
for position in last all; do
  read -r a b n < <(jq -r '.edges[0] | "\(.heads[0]) \(.heads[1]) \(.pairs |
    floor)"' $position.json)
  [ "$(pairs "$([ $position = last ] && echo t.id = p.token || echo 1)" \
    "$a" "$b")" = "$n" ] || fail "edge $a $b at $position"
done
# The last token by its number is the same.
codes --position -1 --json >number.json
jq -e --slurpfile l last.json '[.heads[].score] == [$l[0].heads[].score]' \
  number.json >/dev/null
codes --position 0 --json --score share 2>err.log && fail "one code for all"
grep -q "every head has one code for all examples" err.log

# -- threads, one SAE, a table
codes --threads 1 --truth truth.json --json | cmp - last.json
codes --saes layer1 --json | jq -e --slurpfile l last.json '(.heads | length) == 8
  and ([.heads[] | {(.head): .score}] | add) ==
  ([$l[0].heads[] | select(.head | startswith("L1")) | {(.head): .score}] | add)' \
  >/dev/null
# Where a head's code is the answer, no head tells more of it; heads are named by
# their codes, so that two may tell as much.
cp c.db planted.db
sqlite3 planted.db "UPDATE prompt SET answer = (SELECT feature FROM head_code AS c
  WHERE c.token = prompt.token AND c.head_name = 'L1H7')"
headscope circuit codes planted.db --score answer --json -q >planted.json
jq -e '.heads | (map(select(.head == "L1H7"))[0].score) as $s |
  $s > 0.1 and .[0].score == $s and .[-1].score < $s / 2' planted.json >/dev/null ||
  fail "$(jq -c '.heads | map({(.head): .score}) | add' planted.json)"
codes --truth truth.json --top 2 >table.log
grep -qE '^L[01]H[0-7] ( +[0-9.]+){2} +- +-  (yes|no)$' table.log
grep -qE '^AUC, labels shuffled  +0\.[0-9]+$' table.log
! grep -q 'mean difference' table.log || fail "a measure without vectors"

# -- a second dump; what is removed takes its prompts along
jq -c 'select(.id != 1) // del(.label)' ioi.jsonl >other.jsonl
headscope capture "$MODEL" --prompts other.jsonl -o other.dump -q >out.log
headscope encode other.dump layer1.sae -o c.db --append -q >out.log
refuse 2 "prompts of several dumps" circuit codes c.db
codes --dump other.dump --json | jq -e '.examples == 119 and .positives == 23' \
  >/dev/null
codes --dump ioi.dump --truth truth.json --json |
  jq 'del(.options)' >again.json
jq 'del(.options)' last.json | cmp - again.json
headscope encode --remove other.dump/layer1 -o c.db -q >out.log
[ "$(sqlite3 c.db "SELECT count(*) FROM prompt; PRAGMA foreign_key_check")" = 120 ]

# -- bad input
refuse 2 "no labelled prompts of a dump x" circuit codes c.db --dump x -q
refuse 2 "no SAE layer9" circuit codes c.db --saes layer0,layer9 -q
refuse 2 "none at position 40" circuit codes c.db --position 40 -q
refuse 2 "must be last, all or a number" circuit codes c.db --position mean -q
echo '{"circuit": ["L2H0"]}' >other.json
refuse 2 "L2H0, but the dump has layers 0 to 1" circuit codes c.db -q --truth \
  other.json
headscope encode tiny.dump layer0.sae -o plain.db -q >out.log
refuse 2 "no labelled prompts; capture them" circuit codes plain.db -q
headscope encode ioi.dump layer0.sae -o few.db --rows 200 -q >out.log
refuse 2 "of 120 labelled prompts are outside the sample" circuit codes few.db -q
cp -r layer1.sae again.sae
headscope encode ioi.dump layer1.sae again.sae -o twice.db -q >out.log
refuse 2 "several SAEs of layer 1, one of them again" circuit codes twice.db -q
cp c.db bad.db
sqlite3 bad.db "UPDATE prompt SET label = 1"
refuse 2 "120 positive and 0 negative examples" circuit codes bad.db -q
sqlite3 bad.db "UPDATE prompt SET label = context % 2;
  UPDATE sae SET layer = 7 WHERE name = 'layer1'"
refuse 2 "must be of consecutive layers (1 is next)" circuit codes bad.db -q
sqlite3 bad.db "PRAGMA foreign_keys = OFF; UPDATE sae SET layer = 1, d_sae = 3
  WHERE name = 'layer1'"
refuse 2 "has feature" circuit codes bad.db -q
refuse 2 "" circuit codes ioi.dump -q
