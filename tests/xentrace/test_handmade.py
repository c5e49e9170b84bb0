"""A shared file that somebody has made by hand, whole and wrong: in every form one clear line, and well again with the next."""
import subprocess
import sys

import pytest

from helpers.captures import KHZ, capture
from xenmeter.core.clock import now_ns
from xenmeter.core.options import from_pairs
from xenmeter.core.pipeline import Pipeline
from xenmeter.front.output import FORMATS, make_format
from xenmeter.xentrace.baker.document import Words
from xenmeter.xentrace.baker.writing import Writer
from xenmeter.xentrace.engine.picture import Picture
from xenmeter.xentrace.engine.windowed import Baking
from xenmeter.xentrace.plugin import PLUGIN

BEAT_NS = 60 * 10 ** 9


def handmade():
    """A picture whose windows have no length, and which says so in due form."""
    baking = Baking(KHZ, [10 ** 9], newest=True)
    baking.engine.feed(capture("narrow-steady"))
    baking.finish()
    baking.close()
    whole = next(picture for picture in baking.taken if picture.window_rows())
    return Picture([section._replace(length_ns=0) for section in whole.sections], whole.cells)


@pytest.fixture
def writer(tmp_path):
    writer = Writer(str(tmp_path / "baker"), BEAT_NS)
    yield writer
    writer.close()


@pytest.mark.parametrize("form", FORMATS)
def test_every_form_says_so_in_one_line(form, writer):
    picture = handmade()
    writer.write(Words().parts(picture, None, None), now_ns(), picture.cells)
    ran = subprocess.run([sys.executable, "-m", "xenmeter", "xentrace", "--source", "baker", "--shared", writer.path,
                          "--count", "1", "--format", form], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                         universal_newlines=True, check=False)
    lines = ran.stderr.splitlines()
    assert len(lines) == 1 and "a sample cannot be used: ZeroDivisionError" in lines[0], ran.stderr
    assert "fault:" not in ran.stderr


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_form_of_the_plugins_own_is_well_again_with_the_next_sample(form, tmp_path):
    (tmp_path / "trace").write_bytes(capture("narrow-steady"))
    options = from_pairs(PLUGIN.options, [("Source", [str(tmp_path / "trace")]), ("CpuKhz", [KHZ])])[0]
    pipeline = Pipeline(PLUGIN, options)
    pipeline.start()
    (good,) = pipeline.take()
    written = make_format(form, pipeline)
    assert written.sample(good._replace(figures=handmade())) == b""
    assert "cannot be used" in str(pipeline.error)
    assert b"Domain-0" in written.sample(good) and pipeline.error is None
    pipeline.stop()
