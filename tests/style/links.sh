# Links between our pages lead somewhere.
. "$SOURCE/tests/common.sh"
cd "$SOURCE"
bad=0
while IFS=: read -r page line target; do
  case $target in
    http://* | https://* | mailto:* | '#'*) continue ;;
  esac
  [ -e "$(dirname "$page")/${target%%#*}" ] || {
    printf '%s:%s: no %s\n' "$page" "$line" "$target" >&2
    bad=1
  }
done < <(tracked '*.md' | xargs -d '\n' grep -noHP '\]\(\K[^) ]+')
[ $bad = 0 ]
