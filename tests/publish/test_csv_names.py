"""CSV where a name is all that tells a domain: no two domains share one."""
import csv
import io

from helpers.publishing import HOSTILE
from xenmeter.publish.csvrows import CsvWriter

UUID = "00000000-0000-0000-0000-000000000001"


def names(rows):
    data = CsvWriter(["time", "name", "uuid"], trusted=["time"]).rows([["now", name, uuid] for name, uuid in rows])
    return [row[1] for row in csv.reader(io.StringIO(data.decode("utf-8"), newline=""))]


def test_without_a_uuid_names_that_look_alike_are_two():
    found = names([(name, None) for name in ("web_", "web\x7f", "=a", "'=a", "web", "x" * 300, "x" * 299 + "y")])
    assert found[0] == "web_" and found[4] == "web" and len(set(found)) == 7
    assert found[1].startswith("web_~") and found[2].startswith("'=a~")


def test_hostile_names_without_a_uuid_stay_apart():
    assert len(set(names([(name, None) for name in set(HOSTILE)]))) == len(set(HOSTILE))


def test_with_a_uuid_the_name_is_for_people():
    assert names([("web\x7f", UUID), ("=a", UUID)]) == ["web_", "'=a"]
