# What every command shares: help, version, exit statuses, --json, streams.
. "$SOURCE/tests/common.sh"
need jq
find . -mindepth 1 -delete

# -- help and version
headscope --version | grep -qE '^headscope [0-9]+\.[0-9]+\.[0-9]+$'
headscope --help >overview.log
[ "$(headscope help)" = "$(cat overview.log)" ]
for command in capture train eval encode info; do
  grep -qE "^  $command " overview.log || fail "--help does not list $command"
  headscope $command --help >help.log
  grep -q "usage: headscope $command " help.log
  grep -q -- '--threads N' help.log
  headscope help $command | diff help.log -
  headscope $command -h --json | diff help.log -
  # A list of choices cannot be broken.
  ! grep -E '.{80}' help.log | grep -vE '^  (-., )?--' ||
    fail "$command --help is too wide"
done

# -- statuses
refuse 1 "no command"
refuse 1 "unknown command 'trian'" trian
refuse 1 "unknown command 'nothing'" help nothing
refuse 2 "unknown option --wrong" --wrong
refuse 1 "missing arguments; usage: headscope info" info
refuse 1 "too many arguments" capture one two -o x.dump --text t
refuse 2 "did you mean --threads?" info --thread 2 x
refuse 2 "unknown option -Z" info -Z x
refuse 2 "--threads needs a value" info x --threads
refuse 2 "--threads 1025: must be between 0 and 1024" info x --threads 1025
refuse 2 "--seed -1" info x --seed -1
refuse 2 "exclude each other" info -q -v x
refuse 2 "cannot examine no-such-file: No such file" info no-such-file

# -- a failure as JSON, with the same line on stderr
status=0
headscope info --json $'no\nsuch\xff' >out.log 2>err.log || status=$?
[ $status = 2 ] && [ "$(wc -l <err.log)" = 1 ]
jq -e '.error | test("no.such.: No such file")' out.log >/dev/null
[ "$(jq -s length out.log)" = 1 ]
! headscope info --json --wrong >out.log 2>err.log
jq -e '.error' out.log >/dev/null

# -- streams: a full or closed stdout is a failure
if [ -e /dev/full ]; then
  status=0
  headscope --help >/dev/full 2>err.log || status=$?
  [ $status = 2 ] || fail "a full stdout: status $status"
  grep -q "No space left" err.log
fi
status=0
headscope --help >&- 2>err.log || status=$?
[ $status = 3 ] || fail "a closed stdout: status $status"
status=0
headscope info "$MODEL" >&- 2>err.log || status=$?
[ $status = 3 ] || fail "info to a closed stdout: status $status"
status=0
{ headscope help --docs || status=$?; echo $status >status.log; } 2>err.log |
  true
[ "$(cat status.log)" = 0 ] || grep -q "Broken pipe" err.log
