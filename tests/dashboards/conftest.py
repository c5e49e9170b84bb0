"""Each backend is started and loaded once."""
import pytest

from helpers.dashboards.backends import Backfilled, FromCollectd, InGraphite, InInflux, InVictoria
from helpers.browser import Browser

MAKERS = {"influxdb": InInflux, "prometheus": Backfilled, "collectd": FromCollectd, "telegraf": InVictoria,
          "graphite": InGraphite}


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
