# Labels over a real socket: written, filtered, guarded, kept from harm.
. "$SOURCE/tests/common.sh"
need python3
rm -rf ./*
PYTHONDONTWRITEBYTECODE=1 python3 "$SOURCE/tests/http/test_labels.py"
