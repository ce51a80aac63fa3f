# Plain text: no tabs, no blanks at the end of a line, a newline at the end of a
# file, no invisible characters, nothing left undone, no path of a machine.
. "$SOURCE/tests/common.sh"
cd "$SOURCE"

bad=0
# refuse WHAT PATTERN FILE...
refuse() {
  local what=$1 pattern=$2
  shift 2
  if grep -nHP -- "$pattern" "$@"; then
    printf 'FAILED: %s\n\n' "$what" >&2
    bad=1
  fi
}

mapfile -t code < <(tracked '*.c' '*.h' '*.sh' '*.sql' '*.cmake' '*.txt' \
  '*.md' '*.py' '*.js' '*.css' '*.html' .ci/run |
  grep -vE '^(examples|tests/golden)/')

refuse "tabs" '\t' "${code[@]}"
refuse "blanks at the end of a line" '[ \r]$' "${code[@]}"
# Bidirectional controls can make code read as what it is not (CVE-2021-42574).
refuse "control, invisible or bidirectional characters" \
  '[\x{0}-\x{8}\x{b}-\x{1f}\x{7f}-\x{9f}\x{ad}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}]' \
  "${code[@]}"
# The words are split so that this file does not hold them.
refuse "work left undone" '\b(TO''DO|FIX''ME|X''XX|HA''CK)\b' "${code[@]}"
refuse "a path of somebody's machine" '(^|[^.\w])/(home|work|Users|tmp)/\w' \
  "${code[@]}"
for file in "${code[@]}"; do
  [ ! -s "$file" ] || [ -z "$(tail -c 1 "$file")" ] || {
    printf 'FAILED: %s has no newline at its end\n' "$file" >&2
    bad=1
  }
done
[ $bad = 0 ]
