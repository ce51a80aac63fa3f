# demo.sh makes its database and says so at its end, and docs/sql.md has the
# answers that the database gives; docs/answers.py tells when it has not.
. "$SOURCE/tests/common.sh"
need python3
if built_with asan || built_with tsan; then
  skip "too slow under sanitizers; pipeline.sh runs the same commands there"
fi
find . -mindepth 1 -delete

"$SOURCE/demo.sh" --no-serve --binary "$HEADSCOPE" --folder "$PWD/demo" \
  >demo.log 2>&1 || fail "demo.sh: $(tail -n 20 demo.log)"
for words in "Summary" "layer3" "Done in [0-9]+ s" \
  "^The database: $PWD/demo/demo.db$"; do
  grep -qE "$words" demo.log || fail "demo.sh does not say: $words"
done

# What a dry run expects is near what comes.
headscope encode demo/tiny.dump demo/layer[0-3].sae -o guess.db --rows 100k \
  --dry-run --json >guess.json 2>error.log
size=$(stat -c %s demo/demo.db)
python3 - "$size" <<'END' || fail "the dry run expects other than $size bytes"
import json, sys
guess = json.load(open("guess.json"))["estimate"]["disk_bytes"]
assert .8 < guess / int(sys.argv[1]) < 1.25, guess
END

answers() { python3 "$SOURCE/docs/answers.py" "$@"; }

# differs PAGE WORDS: the page must be refused with these words, and stay.
differs() {
  local before status=0
  before=$(cksum <"$1")
  answers --check --page "$1" demo/demo.db >out.log 2>error.log || status=$?
  [ $status = 1 ] || fail "$1: status $status, not 1"
  grep -qF -- "$2" error.log || fail "$1: does not say '$2': $(cat error.log)"
  [ "$before" = "$(cksum <"$1")" ] || fail "$1 was changed"
}

answers --check demo/demo.db || fail "mend with: python3 docs/answers.py" \
  "$PWD/demo/demo.db"
[ "$(grep -c '^### ' "$SOURCE/docs/sql.md")" -ge 15 ] || fail "few questions"

# A page of this database's own answers, whatever the processor.
cp "$SOURCE/docs/sql.md" own.md
answers --page own.md demo/demo.db
answers --check --page own.md demo/demo.db | grep -q 'all answers the same' ||
  fail "own answers are not the same"

# One digit of an answer.
awk '/^### 3\./ { in_it = 1 }
  in_it && /^L2H[0-9] / { sub(/[0-9]$/, "x"); in_it = 0 }
  { print }' own.md >changed.md
! cmp -s own.md changed.md || fail "nothing was changed"
differs changed.md '+L2H'

# A question without a row, one that is no SQL, and one without an answer.
sed 's/layer = 2 AND feature = 117 LIMIT 5/layer = 2 AND feature = 99999/' \
  own.md >empty.md
differs empty.md 'At which tokens is a feature strongest?: no row'
sed 's/FROM strings_of_feature$/FROM no_such_view/' own.md >broken.md
differs broken.md 'no such table: no_such_view'
awk '/^```text$/ && !done { skip = 1; done = 1 }
  !skip { print }
  /^```$/ { skip = 0 }' own.md >missing.md
differs missing.md '+```text'

# Answers of other SAEs: only their columns count.
sed 's/^<!-- Answers of the SAEs .*/<!-- Answers of the SAEs 00 -->/' \
  changed.md >other.md
answers --check --page other.md demo/demo.db | grep -q 'answers are of other' ||
  fail "does not say that the answers are of other SAEs"
sed 's/^name  *data_share /name  some_share /' other.md >columns.md
differs columns.md 'columns name data_share weight_share'

# Asked about something else, each still runs; the demo is small enough for all.
answers --time --as "sae=1,layer=0,feature=5,head=L0H3,token=99,text=' the'" \
  demo/demo.db >times.log || fail "$(cat times.log)"
[ "$(wc -l <times.log)" -gt 15 ] || fail "few times: $(cat times.log)"

# Strings that would end a block, move the cursor or turn the text around.
sqlite3 hostile.db "CREATE TABLE sae (id, fingerprint);
  CREATE TABLE t (text);
  INSERT INTO t VALUES ('\`\`\`' || char(10) || '# no heading'),
    (char(27) || '[31m' || char(8238) || 'x' || char(0)), (' <b>');"
printf '# Page\n\n```sql\nSELECT text FROM t;\n```\n' >hostile.md
answers --page hostile.md hostile.db
diff - hostile.md <<'END'
# Page

```sql
SELECT text FROM t;
```

```text
text
'\u{60}\u{60}\u{60}↵# no heading'
'\u{1b}[31m\u{202e}x\u{0}'
' <b>'
```

<!-- Answers of the SAEs  -->
END
