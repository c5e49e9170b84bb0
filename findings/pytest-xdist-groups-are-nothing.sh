#!/usr/bin/env bash
# pytest-xdist 3.8.0 with pytest 9.2.0: --dist loadgroup sends tests of one xdist_group to several workers, and says nothing.
# The worker writes the group into item._nodeid, which this pytest no longer reads: its nodeid comes from another attribute.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
fail() { echo "CHANGED: $*"; exit 1; }
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check pytest==9.2.0 pytest-xdist==3.8.0

cat >"$work/test_group.py" <<'EOF'
import os
import time

import pytest


@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test_shares(number):
    time.sleep(0.2)
    with open(os.environ["SEEN"], "a") as seen:
        print(os.environ["PYTEST_XDIST_WORKER"], file=seen)
EOF
cd "$work"
SEEN=$work/seen PYTHONPATH='' venv/bin/python -m pytest -q -p no:cacheprovider -n 2 --dist loadgroup test_group.py
sort "$work/seen" | uniq -c
[ "$(sort -u "$work/seen" | wc -l)" = 2 ] || fail "the group was in one worker"
echo "seen: eight tests of one group, in two workers"
