# Whichever allocation fails, headscope ends with an error, not with a crash,
# and leaves no half output.
. "$SOURCE/tests/common.sh"
if built_with asan || built_with tsan; then
  skip "sanitizers have their own malloc"
fi
find . -mindepth 1 -delete
${CC:-cc} -shared -fPIC -O1 -Wall -Werror -o fail_alloc.so "$SOURCE/tests/fault/fail_alloc.c" ||
  skip "cannot build the library that fails allocations"
head -c 2000 "$MODEL/corpus.txt" >tiny.txt
headscope capture "$MODEL" --text tiny.txt -o tiny.dump --layers 0 \
  --context 64 -q >out.log
headscope train tiny.dump --layer 0 -o layer0.sae --features 64 -k 4 \
  --tokens 2k --batch 256 -q >out.log

# LD_PRELOAD cannot name a path with a space, so the name is relative.
# each ARGUMENT...: fails the allocations 1 to 40, then ever sparser ones, until
# there is none of that number.
each() {
  local n=0 status failures=0 kept=0
  while :; do
    n=$((n < 40 ? n + 1 : n + n / 8))
    rm -rf x.* .x.*
    status=0
    FAIL_AT=$n LD_PRELOAD=./fail_alloc.so "$HEADSCOPE" "$@" -q --threads 1 \
      >out.log 2>err.log </dev/null || status=$?
    case $status in
      0) [ $n -le 40 ] || break ;;
      2 | 3)
        failures=$((failures + 1))
        [ "$(wc -l <err.log)" = 1 ] || fail "allocation $n: $(cat err.log)"
        # A run that has come to a checkpoint keeps it, and says so.
        if [ -e .x.sae.partial/checkpoint/state.safetensors ]; then
          grep -q -e --resume err.log || fail "kept without a word"
          kept=$((kept + 1))
          rm -rf .x.sae.partial
        fi
        # Complete SAEs are kept, for the same command to go on behind.
        if [ -e .x.db.partial ]; then
          "$HEADSCOPE" "$@" -q --threads 1 >out.log || fail "$(cat err.log)"
          [ ! -e .x.db.partial ] || fail "cannot go on after allocation $n"
          kept=$((kept + 1))
          rm x.db
        fi
        [ -z "$(find . -name 'x.*' -o -name '.x.*')" ] ||
          fail "allocation $n of $1 left $(ls -A)"
        ;;
      *) fail "allocation $n of headscope $*: status $status $(cat err.log)" ;;
    esac
  done
  [ $failures -gt 30 ] || fail "only $failures allocations of $1 failed"
  printf '%s: %d failures, %d kept\n' "$1" $failures $kept
}

each info tiny.dump layer0.sae
each train tiny.dump -m 64 -k 4 --tokens 1k --batch 256 -o x.sae
each eval tiny.dump layer0.sae --with layer0.sae
each encode tiny.dump layer0.sae -o x.db
each encode tiny.dump layer0.sae --model "$MODEL" -o x.db

# A database that is added to is then what it was, or has the SAE.
cp -r layer0.sae again.sae
headscope encode tiny.dump layer0.sae -q -o base.db >out.log
for ((n = 1; ; n += n < 40 ? 1 : n / 8)); do
  cp base.db added.db
  status=0
  FAIL_AT=$n LD_PRELOAD=./fail_alloc.so "$HEADSCOPE" encode tiny.dump \
    again.sae --append -o added.db -q --threads 1 >out.log 2>err.log ||
    status=$?
  [ $status != 0 ] || [ $n -le 40 ] || break
  [ $status = 0 ] || [ $status = 2 ] || [ $status = 3 ] ||
    fail "allocation $n of encode --append: status $status $(cat err.log)"
  [ ! -e added.db-journal ] || fail "allocation $n left a journal"
  cmp -s base.db added.db || headscope info added.db | grep -q ' again ' ||
    fail "allocation $n of encode --append left half"
done
each capture "$MODEL" --text tiny.txt --layers 0 --context 64 -o x.dump
