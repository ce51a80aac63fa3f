# Labels, stars and notes in Chromium.
. "$SOURCE/tests/common.sh"
browser_test test_labels.py
