# headscope export: CSV and npy hold what the database holds, row by row; which
# SAE is asked for; what contradicts itself is refused; no half file stays.
. "$SOURCE/tests/common.sh"
need sqlite3
need python3
need jq
find . -mindepth 1 -delete
make_dump
make_saes --features 128 -k 8 --tokens 8k
headscope encode tiny.dump layer0.sae layer1.sae -o two.db --rows 2k -q >out.log
headscope encode tiny.dump layer1.sae -o one.db --rows 2k -q >out.log

# -- against the database itself, by another reader of each format
cat >compare.py <<'END'
import ast, csv, sqlite3, struct, sys
db = sqlite3.connect(sys.argv[1])
sae, heads = db.execute("SELECT id, heads FROM sae WHERE name = ?",
                        (sys.argv[2],)).fetchone()
codes = db.execute("""
    SELECT a.token, t.context, t.position, v.text, a.feature, a.level,
        (a.level - 0.5) * f.scale
    FROM activation AS a JOIN token AS t ON t.id = a.token
    JOIN vocab AS v ON v.id = t.vocab JOIN feature AS f USING (sae, feature)
    WHERE a.sae = ? ORDER BY a.token, a.feature""", (sae,)).fetchall()
tokens = db.execute("""
    SELECT t.id, t.context, t.position, v.text
    FROM token AS t JOIN context AS c ON c.id = t.context
    JOIN vocab AS v ON v.id = t.vocab
    WHERE c.sampled = 1 ORDER BY t.id""").fetchall()
at = {t[0]: i for i, t in enumerate(tokens)}
code = [[-1] * heads for _ in tokens]
for token, head, feature in db.execute(
        "SELECT token, head, feature FROM head_code WHERE sae = ?", (sae,)):
    code[at[token]][head] = feature
assert len(codes) > 5000 and len(tokens) > 1000
assert any(-1 in row for row in code) and any(max(row) >= 0 for row in code)
assert any('\n' in t[3] for t in tokens) and any('"' in t[3] for t in tokens)

def read_csv(name):
    with open(name, newline="", encoding="utf-8") as f:
        return list(csv.reader(f))

def close(a, b):
    return abs(a - b) <= 1e-6 * abs(b)

got = read_csv("codes.csv")
assert got[0] == "token context position text feature level value".split()
assert len(got) == len(codes) + 1
for row, want in zip(got[1:], codes):
    assert row[:6] == [str(v) for v in want[:6]], (row, want)
    assert close(float(row[6]), want[6]), (row, want)
got = read_csv("heads.csv")
layer = sys.argv[2][-1]
assert got[0] == "token context position text".split() + [
    f"L{layer}H{h}" for h in range(heads)]
assert got[1:] == [[str(v) for v in t] + [str(f) if f >= 0 else "" for f in c]
                   for t, c in zip(tokens, code)]

def read_npy(name, fields, layout):
    data = open(name, "rb").read()
    assert data[:8] == b"\x93NUMPY\x01\x00"
    size, = struct.unpack("<H", data[8:10])
    assert (10 + size) % 64 == 0
    header = ast.literal_eval(data[10:10 + size].decode())
    rows = list(struct.iter_unpack(layout, data[10 + size:]))
    assert header == {"descr": fields, "fortran_order": False,
                      "shape": (len(rows),)}, header
    return rows

place = [("token", "<i8"), ("context", "<i8"), ("position", "<i4")]
got = read_npy("codes.npy", place + [("feature", "<i4"), ("level", "|u1"),
                                     ("value", "<f4")], "<qqiiBf")
assert len(got) == len(codes)
for row, want in zip(got, codes):
    assert row[:5] == want[:3] + want[4:6] and close(row[5], want[6]), row
got = read_npy("heads.npy", place + [("code", "<i4", (heads,))],
               f"<qqi{heads}i")
assert got == [t[:3] + tuple(c) for t, c in zip(tokens, code)]
END
for sae in layer0 layer1; do
  for format in csv npy; do
    headscope export two.db --sae $sae -o codes.$format --force -q >out.log
    headscope export two.db --sae $sae -o heads.$format --heads --force \
      -q >out.log
  done
  python3 compare.py two.db $sae || fail "$sae differs"
done
# the only SAE needs no name, and --format no ending
headscope export one.db -o any --format npy -q >out.log
headscope export one.db --sae tiny.dump/layer1 -o any.npy -q >out.log
cmp any any.npy
grep -q 'rows of layer1' out.log

# -- for scripts, and before the work
headscope export two.db --sae layer1 --heads -o dry.csv --dry-run --json \
  >dry.json
[ ! -e dry.csv ]
jq -e --argjson n "$(sqlite3 two.db 'SELECT sample_tokens FROM dump')" \
  '.tokens == $n and .rows == $n and .sae == "layer1" and .format == "csv" and
   .codes == "heads" and .output == "dry.csv"' dry.json >/dev/null ||
  fail "$(cat dry.json)"

# -- bad input
refuse 1 "ends in neither .csv nor .npy" export one.db -o codes.txt
refuse 1 "no output" export one.db
refuse 2 "several SAEs; choose one with --sae NAME" export two.db -o x.csv
refuse 2 "has no SAE layer7" export two.db --sae layer7 -o x.csv
refuse 2 "exists" export one.db -o codes.csv
ln one.db same.db
refuse 2 "is read and cannot be replaced" export one.db -o same.db \
  --format csv --force
rm same.db
refuse 2 "no SQLite database" export tiny.txt -o x.csv
refuse 2 "no-such.db" export no-such.db -o x.csv
# what a query could not know: rows missing, rows of other tokens
damage() {
  cp one.db bad.db
  sqlite3 bad.db "$1"
}
damage 'DELETE FROM activation_by_token WHERE token = (SELECT max(token) FROM
  activation_by_token)'
refuse 2 "sae.activations is not the number" export -q bad.db -o x.csv
damage 'UPDATE context SET sampled = 0 WHERE id =
  (SELECT min(id) FROM context WHERE sampled = 1)'
refuse 2 "a code is of a token that is not in the sample" \
  export -q bad.db -o x.csv
refuse 2 "is damaged" export -q bad.db -o x.npy --heads
damage 'UPDATE context SET sampled = 0 WHERE id =
  (SELECT max(id) FROM context WHERE sampled = 1)'
refuse 2 "is damaged" export -q bad.db -o x.csv
damage 'UPDATE activation_by_token SET heads = heads | 256
  WHERE heads & 128 <> 0'
refuse 2 "of a head that the SAE has not" export -q bad.db -o x.csv --heads
damage 'UPDATE activation_by_token SET heads = 128'
refuse 2 "a head has two codes" export -q bad.db -o x.csv --heads

# -- Ctrl-C in the middle: a database that takes a while
damage 'DELETE FROM activation_by_token;
  INSERT INTO activation_by_token SELECT 1, t.id, f.feature, 7, 0
  FROM context AS c JOIN token AS t ON t.context = c.id JOIN feature AS f
  WHERE c.sampled = 1;
  UPDATE sae SET activations = (SELECT count(*) FROM activation_by_token);'
"$HEADSCOPE" export bad.db -o slow.csv -q >out.log 2>err.log &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -s .slow.csv.partial ]; do :; done
kill -INT $pid || fail "it was over at once: $(cat err.log)"
status=0
wait $pid || status=$?
[ $status = 130 ] || fail "Ctrl-C: status $status"
[ ! -e slow.csv ] && [ ! -e .slow.csv.partial ]
