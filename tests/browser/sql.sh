# The SQL page in Chromium.
. "$SOURCE/tests/common.sh"
browser_test test_sql.py
