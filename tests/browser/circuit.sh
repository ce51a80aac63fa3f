# The page of circuits in Chromium, on planted ones.
. "$SOURCE/tests/common.sh"
browser_test test_circuit.py
