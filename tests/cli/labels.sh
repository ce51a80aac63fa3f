# headscope labels: out and in again as CSV, carried to an SAE whose features
# are the same in another order, and what is wrong with a table or a folder.
. "$SOURCE/tests/common.sh"
need python3
need sqlite3
need jq
find . -mindepth 1 -delete
make_dump
make_saes --features 128 -k 8 --tokens 8k
headscope encode tiny.dump layer0.sae -o some.db --rows 2k -q >out.log
before=$(cksum <some.db)
sae=$(sqlite3 some.db 'SELECT fingerprint FROM sae')
other=0123456789abcdef0123456789abcdef

# counts WORDS ARGUMENT...
counts() {
  local words=$1
  shift
  headscope labels "$@" >stdout.log
  grep -qxF -- "$words" stdout.log || fail "$*: not '$words': $(cat stdout.log)"
}

counts "0 labels, 0 stars, 0 notes" some.db
[ ! -e some.labels.db ] || fail "counting made a file"

# -- in and out
{
  printf '\xef\xbb\xbfnote,Fingerprint,feature,label,starred\r\n'
  printf ',%s,3,"a ""quoted"", label",1\r\n' "$sae"
  printf '"two\nlines",%s,0,=1+1,0\n\n' "$sae"
  printf ',%s,5,Été,' "$other"
} >in.csv
headscope labels some.db --import in.csv --dry-run --json |
  jq -e '.read == 3 and .new == 0' >out.log
[ ! -e some.labels.db ] || fail "a dry run made a file"
counts "3 new, 0 replaced, 0 the same as before, 0 kept as they were" \
  some.db --import in.csv
counts "3 labels, 1 stars, 1 notes" some.db
counts "0 new, 0 replaced, 3 the same as before, 0 kept as they were" \
  some.db --import in.csv
counts "wrote 3 features" some.db --export out.csv
python3 - "$sae" "$other" <<'END'
import csv, sys
sae, other = sys.argv[1:]
rows = list(csv.DictReader(open("out.csv", encoding="utf-8", newline="")))
got = [(r["sae"], r["layer"], r["fingerprint"], r["feature"], r["starred"],
        r["label"], r["note"]) for r in rows]
want = [("layer0", "0", sae, "0", "0", "=1+1", "two\nlines"),
        ("layer0", "0", sae, "3", "1", 'a "quoted", label', ""),
        ("", "", other, "5", "0", "Été", "")]
assert sorted(got) == sorted(want), got
assert all(len(r["changed"]) == 20 for r in rows)
END
mv some.labels.db first.labels.db
counts "3 new, 0 replaced, 0 the same as before, 0 kept as they were" \
  some.db --import out.csv
counts "wrote 3 features" some.db --export again.csv
cmp out.csv again.csv || fail "times of change were lost"
sed 's/=1+1/changed/' out.csv >changed.csv
counts "0 new, 0 replaced, 2 the same as before, 1 kept as they were (--force \
replaces)" some.db --import changed.csv
counts "0 new, 1 replaced, 2 the same as before, 0 kept as they were" \
  some.db --import changed.csv --force
refuse 2 "exists" labels some.db --export out.csv

# -- another SAE: every second feature moved, the rest drawn anew
python3 - <<'END'
import array, json, os, random, shutil
shutil.copytree("layer0.sae", "new.sae")
path = "new.sae/sae_weights.safetensors"
raw = open(path, "rb").read()
n = int.from_bytes(raw[:8], "little")
header = json.loads(raw[8:8 + n])
body = bytearray(raw[8 + n:])
begin, end = header["W_dec"]["data_offsets"]
m, d = header["W_dec"]["shape"]
w = array.array("f", bytes(body[begin:end]))
rows = [w[i * d:(i + 1) * d] for i in range(m)]
random.seed(1)
new = [rows[(i + 1) % m] if i % 2 else
       array.array("f", [random.gauss(0, 1) for _ in range(d)])
       for i in range(m)]
for i in range(0, m, 2):
    norm = sum(x * x for x in new[i]) ** .5
    new[i] = array.array("f", [x / norm for x in new[i]])
body[begin:end] = b"".join(r.tobytes() for r in new)
open(path, "wb").write(raw[:8 + n] + bytes(body))
lines = ["fingerprint,feature,label"]
import sqlite3
sae, = sqlite3.connect("some.db").execute("SELECT fingerprint FROM sae").fetchone()
lines += [f"{sae},{i},feature {i}" for i in range(20)]
open("twenty.csv", "w").write("\n".join(lines))
END
rm some.labels.db
headscope labels some.db --import twenty.csv -q >out.log
headscope labels some.db --carry layer0.sae --to new.sae --json >carry.json
jq -e '.labelled == 20 and .matched == 10 and .new == 10' carry.json >out.log ||
  fail "$(cat carry.json)"
new=$(headscope info new.sae --json | jq -r '.. | .fingerprint? // empty' |
  head -n 1)
# Feature i of the new one is i + 1 of the old.
sqlite3 some.labels.db "SELECT feature || ' ' || label FROM label
  WHERE sae = '$new' AND feature < 4" >carried.txt
printf '1 feature 2\n3 feature 4\n' | diff carried.txt - ||
  fail "carried to the wrong features"
counts "10 of 20 labelled features have a mutual match of cosine 0.7 or more" \
  some.db --carry layer0.sae --to new.sae
grep -qxF "0 new, 0 replaced, 10 the same as before, 0 kept as they were" \
  stdout.log || fail "carried twice: $(cat stdout.log)"
refuse 2 "the same SAE" labels some.db --carry layer0.sae --to layer0.sae
refuse 2 "go together" labels some.db --carry layer0.sae
refuse 2 "exclude each other" labels some.db --import in.csv --export x.csv

# -- tables that are none
bad() {
  printf "$2" >bad.csv
  refuse 2 "$1" labels some.db --import bad.csv
}
bad "no column fingerprint" 'sae,feature,label\n'
bad "no column label" "fingerprint,feature\n"
bad "bad.csv:2: 'xyz' is no fingerprint" 'fingerprint,feature,label\nxyz,1,a\n'
bad "bad.csv:3: 'one' is no feature" \
  "fingerprint,feature,label\n$sae,1,a\n$sae,one,a\n"
bad "bad.csv:2: a quote that does not end" \
  "fingerprint,feature,label\n$sae,1,\"a\n"
bad "bad.csv:4: the label is not valid UTF-8" \
  "fingerprint,feature,label\n$sae,1,\"a\"\n\n$sae,1,\xff\n"
bad "starred is 'yes'" "fingerprint,feature,label,starred\n$sae,1,a,yes\n"
bad "has a NUL" "fingerprint,feature,label\n$sae,1,a\\0\n"
refuse 2 "No such file" labels some.db --import none.csv
refuse 2 "No such file" labels none.db
[ "$before" = "$(cksum <some.db)" ] || fail "the database was changed"

# -- a folder that may not be written, asked by somebody who is not root
mv some.labels.db carried.labels.db
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cp "$HEADSCOPE" "$place/headscope"
mkdir "$place/folder"
cp some.db twenty.csv "$place/folder"
chmod -R a+rX "$place"
chmod 555 "$place/folder"
as_nobody=()
[ "$(id -u)" != 0 ] ||
  as_nobody=(setpriv --reuid 65534 --regid 65534 --clear-groups)
if "${as_nobody[@]}" "$place/headscope" labels "$place/folder/some.db" \
  >out.log 2>&1; then
  status=0
  "${as_nobody[@]}" "$place/headscope" labels "$place/folder/some.db" \
    --import "$place/folder/twenty.csv" >out.log 2>&1 || status=$?
  [ $status = 2 ] || fail "status $status in a read-only folder"
  # The same where labels are there already, as they can be read.
  mv carried.labels.db "$place/folder/some.labels.db"
  chmod 666 "$place/folder/some.labels.db"
  "${as_nobody[@]}" "$place/headscope" labels "$place/folder/some.db" |
    grep -q '^30 labels' || fail "labels in a read-only folder are not read"
  ! "${as_nobody[@]}" "$place/headscope" labels "$place/folder/some.db" \
    --import "$place/folder/twenty.csv" --force >again.log 2>&1 ||
    fail "wrote into a read-only folder"
  grep -q "cannot write .*some.labels.db: its folder: Permission denied" out.log ||
    fail "a read-only folder: $(cat out.log)"
fi
