# The page in Chromium, on databases whose content is known.
. "$SOURCE/tests/common.sh"
need chromium
need chromedriver
# Debian's python3-selenium belongs to Debian's Python.
python=/usr/bin/python3
"$python" -c 'import selenium' 2>/dev/null ||
  skip "python3-selenium is not installed"

# Eight pages; gzipped it is a third, and all of it comes with the first.
size=$(cat "$SOURCE"/web/* | wc -c)
[ "$size" -le 196608 ] || fail "web/ has $size bytes, more than 192 KiB"

# What an earlier run has left, such as a chosen theme.
rm -rf profile ./*.db
PYTHONDONTWRITEBYTECODE=1 "$python" "$SOURCE/tests/browser/test_page.py"
