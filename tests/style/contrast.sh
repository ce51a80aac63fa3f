# Colours of the page tell apart what they must: WCAG AA, both themes.
. "$SOURCE/tests/common.sh"
need python3
python3 "$SOURCE/tests/style/contrast.py" "$SOURCE/web/style.css"
