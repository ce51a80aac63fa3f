# Labels, stars and notes in Chromium.
. "$SOURCE/tests/common.sh"
need chromium
need chromedriver
# Debian's python3-selenium belongs to Debian's Python.
python=/usr/bin/python3
"$python" -c 'import selenium' 2>/dev/null ||
  skip "python3-selenium is not installed"

rm -rf profile ./*.db
PYTHONDONTWRITEBYTECODE=1 "$python" "$SOURCE/tests/browser/test_labels.py"
