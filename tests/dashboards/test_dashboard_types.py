"""The dashboards against the types of Grafana's schemas: nothing is there that Grafana does not know, and each value is of the
type that it takes."""
import json

import pytest

from helpers.borrowed import borrowed
from tools import dashboards

FILES = [(backend, board) for backend in dashboards.BACKENDS for board in dashboards.BOARDS]


@pytest.fixture(scope="module")
def grafana():
    return borrowed("grafana", "helpers.dashboards.grafana_types")


@pytest.mark.parametrize("backend, board", FILES, ids=["%s%s" % (board.file, backend.name) for backend, board in FILES])
def test_a_dashboard_is_what_grafana_takes(grafana, backend, board):
    model = json.loads(dashboards.path(backend, board).read_text(encoding="utf-8"))
    assert grafana.complaints(model, grafana.models.Dashboard, "") == []


@pytest.mark.parametrize("damage, said", [
    (lambda model: model.update(refresh=30), ".refresh"), (lambda model: model.update(nonsense=1), "no nonsense"),
    (lambda model: model["panels"][0].update(type="grpah"), "no kind of panel"),
    (lambda model: model["panels"][0]["gridPos"].update(w="12"), ".gridPos.w"),
    (lambda model: model["panels"][-1]["fieldConfig"]["defaults"]["custom"].update(showPoints="sometimes"), "showPoints"),
    (lambda model: model["panels"][-1]["options"]["legend"].update(placement="left"), "placement"),
    (lambda model: model["panels"][0]["targets"][0].update(legendformat="x"), "legendformat"),
    (lambda model: model["templating"]["list"][0].update(refresh=7), "refresh"),
    (lambda model: model["links"][0].update(type="dashboard"), "links")])
def test_damage_is_seen(grafana, damage, said):
    model = dashboards.dashboard(next(one for one in dashboards.BACKENDS if one.name == "prometheus"), dashboards.LOOK)
    damage(model)
    found = grafana.complaints(json.loads(json.dumps(model)), grafana.models.Dashboard, "")
    assert len(found) == 1 and said in found[0], found


def test_what_the_schemas_leave_out_is_still_left_out(grafana):
    for cls, names in grafana.BEYOND.items():
        assert not names & set(grafana.keys_of(cls)), cls
