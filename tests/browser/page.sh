# The page in Chromium, on databases whose content is known.
. "$SOURCE/tests/common.sh"

# Twelve pages; gzipped it is a third, and all of it comes with the first.
size=$(cat "$SOURCE"/web/* | wc -c)
[ "$size" -le 327680 ] || fail "web/ has $size bytes, more than 320 KiB"

browser_test test_page.py
