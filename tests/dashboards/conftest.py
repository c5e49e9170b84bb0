"""The dashboards' tests use the stages of the daemons' and of Telegraf's tests, and the report's browser; each backend is started
and loaded once."""
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parents[1]
for folder in ("dashboards", "daemons", "publish", "xen", "vcpu", "telegraf", "report"):
    if str(TESTS / folder) not in sys.path:
        sys.path.append(str(TESTS / folder))

from backends import Backfilled, FromCollectd, InInflux  # noqa: E402
from browser import Browser  # noqa: E402

MAKERS = {"influxdb": InInflux, "prometheus": Backfilled, "collectd": FromCollectd}


@pytest.fixture(scope="session", params=list(MAKERS))
def loaded(request, tmp_path_factory):
    """(name, backend with data)"""
    backend = MAKERS[request.param](tmp_path_factory.mktemp(request.param))
    yield request.param, backend
    backend.close()


@pytest.fixture(scope="module")
def browser():
    made = Browser()
    yield made
    made.close()
