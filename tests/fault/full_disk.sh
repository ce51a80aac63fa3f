# A disk that fills up, and a folder that may not be written: status 2, one
# line that names the file, and no half output.
. "$SOURCE/tests/common.sh"
if mountpoint -q disk 2>/dev/null; then umount disk; fi
find . -mindepth 1 -delete
make_dump
make_saes
headscope encode tiny.dump layer0.sae -q -o base.db >out.log

# full WORDS COMMAND... with -o disk/NAME: runs into the limit
full() {
  local status=0
  "$HEADSCOPE" "$@" -q >out.log 2>err.log || status=$?
  [ $status = 2 ] || fail "status $status: headscope $*: $(cat err.log)"
  [ "$(wc -l <err.log)" = 1 ] || fail "not one line: $(cat err.log)"
  [ ! -s out.log ] || fail "claims a result: $(cat out.log)"
  grep -qE 'No space left|File too large|disk' err.log ||
    fail "does not say why: $(cat err.log)"
  [ -z "$(ls -A disk)" ] || fail "left on the disk: $(ls -A disk)"
}
all() {
  full capture "$MODEL" --text tiny.txt -o disk/x.dump
  full train tiny.dump --layer 0 -m 512 -k 16 --tokens 4k --batch 512 \
    -o disk/x.sae
  full encode tiny.dump layer0.sae -o disk/x.db
  full export base.db -o disk/x.csv
  full export base.db -o disk/x.npy
}

# append: a database that does not find room to grow stays as it is
append() {
  local status=0
  "$HEADSCOPE" encode tiny.dump layer1.sae --append -o disk/x.db -q \
    >out.log 2>err.log || status=$?
  [ $status = 2 ] || fail "status $status: --append: $(cat err.log)"
  [ "$(wc -l <err.log)" = 1 ] || fail "not one line: $(cat err.log)"
  grep -qE 'disk|File too large|No space left' err.log ||
    fail "does not say why: $(cat err.log)"
  cmp base.db disk/x.db
  [ "$(ls -A disk)" = x.db ] || fail "left on the disk: $(ls -A disk)"
}

# -- a limit on the size of a file, which needs no rights; the thread sanitizer
# itself writes a larger one
mkdir disk
cp base.db disk/x.db
built_with tsan || (
  ulimit -f 100
  append
)
rm disk/x.db
built_with tsan || (
  ulimit -f 100 # KiB
  all
)

# -- a full file system
mount -t tmpfs -o size=200k none disk 2>/dev/null ||
  skip "the rest needs the right to mount"
trap 'umount disk' EXIT
all
umount disk

# -- one on which there is room for the database and little more
size=$(($(stat -c %s base.db) / 1024 + 300))
mount -t tmpfs -o size=${size}k none disk
cp base.db disk/x.db
append

# -- one that may only be read: found out before the work
mount -o remount,ro disk
read_only() {
  local status=0
  "$HEADSCOPE" encode tiny.dump "$@" -o disk/x.db >out.log 2>err.log ||
    status=$?
  [ $status = 2 ] || fail "status $status: read-only: $(cat err.log)"
  [ "$(wc -l <err.log)" = 1 ] || fail "not one line: $(cat err.log)"
  grep -q 'disk/x.db\|folder disk' err.log || fail "$(cat err.log)"
  cmp base.db disk/x.db
}
read_only layer1.sae --append
read_only layer1.sae --force
