"""What the screen makes of a baker's answers that are none: it shows no rest, and goes on."""
import json
import time
import types

import pytest

from xenmeter.front.screen import live


@pytest.mark.parametrize("told", [{"rest_left_s": float("inf"), "span_ns": 1, "elapsed_ns": 2}, {"rest_left_s": float("nan"),
                                  "span_ns": 1, "elapsed_ns": 2}, [], [1], None, "x", {"rest_left_s": []}, {}], ids=json.dumps)
def test_an_answer_that_is_none(told, monkeypatch):
    monkeypatch.setattr(live, "ask", lambda path, **question: told)
    one = live.Live(types.SimpleNamespace(others=False), "/nowhere")
    one._answer = time.monotonic(), live.Rest(1000, 1, 2)       # the one before
    assert one.rest(wait=10.0) is None
