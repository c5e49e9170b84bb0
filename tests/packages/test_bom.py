"""The bill of materials beside the packages."""
import datetime
import hashlib
import json
import pathlib
import re
import shutil
import subprocess

import pytest

import build
from helpers.paths import TOP
from tools import provision

pytestmark = pytest.mark.xdist_group("packages: system")

PINNED = TOP / "packaging" / "requirements" / "report.txt"


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """Files under names of packages: what they hold does not matter here."""
    folder = tmp_path_factory.mktemp("packages")
    names = ("xenmeter_1.2-1_all.deb", "xenmeter_1.2-1.dsc", "xenmeter-1.2.tar.gz", "xenmeter-1.2-1.noarch.rpm",
             "xenmeter-1.2-py3-none-manylinux2014_x86_64.whl", "xenmeter_1.2-1_amd64.changes", "xenmeter_1.2-1_amd64.buildinfo")
    for name in names:
        (folder / name).write_bytes(name.encode())
    return [folder / name for name in names]


@pytest.fixture
def told(packages, source, tmp_path, monkeypatch):
    provision.ensure("bom")     # fetched before: pip's own warnings are none of ours
    monkeypatch.setenv("PYTHONWARNINGS", "error")       # what the library is about to drop is found here first
    (path,) = build.bom(source, tmp_path, packages)
    assert path.name == "xenmeter-%s.cdx.json" % source.version
    return json.loads(path.read_text())


def test_each_package_is_there_with_its_digest(told, packages):
    listed = {one["name"]: one["hashes"] for one in told["components"] if one["bom-ref"].startswith("package:")}
    assert listed == {path.name: [{"alg": "SHA-256", "content": hashlib.sha256(path.read_bytes()).hexdigest()}]
                      for path in packages if path.suffix not in (".changes", ".buildinfo")}


def test_what_it_needs_and_under_which_licence(told, source):
    root = told["metadata"]["component"]
    assert (root["name"], root["version"], root["licenses"]) == ("xenmeter", source.version, [{"expression": "MIT"}])
    assert {one["name"]: one["scope"] for one in told["components"] if one["bom-ref"].startswith("needs:")} == {
        "python": "required", "libc": "optional"}
    (patch,) = [one for one in told["components"] if one["name"].endswith(".patch")]
    assert patch["licenses"] == [{"expression": "GPL-2.0-only"}] and (TOP / patch["name"]).exists()


def test_the_libraries_of_the_extra_are_those_that_are_pinned(told):
    pinned = set(re.findall(r"^([\w.-]+)==([^ ;]+)", PINNED.read_text(), re.MULTILINE))
    listed = {(one["name"], one["version"]) for one in told["components"] if one["bom-ref"].startswith("report:")}
    assert listed == pinned and "bokeh" in dict(listed)


def test_the_same_packages_give_the_same_bytes_and_others_another_number(told, packages, source, tmp_path):
    (first,) = build.bom(source, tmp_path / "one", packages)
    (again,) = build.bom(source, tmp_path / "two", packages[::-1])
    assert first.read_bytes() == again.read_bytes()
    (fewer,) = build.bom(source, tmp_path / "three", packages[:-3])
    assert json.loads(fewer.read_text())["serialNumber"] != told["serialNumber"]
    stamp = datetime.datetime.fromtimestamp(source.epoch, datetime.timezone.utc)
    assert told["metadata"]["timestamp"] == stamp.isoformat()


def test_cyclonedxs_own_schema_takes_it(told):
    """And refuses what is none: the check of the tool is one that can fail."""
    check = ("import sys; from cyclonedx.schema import SchemaVersion; from cyclonedx.validation.json import JsonStrictValidator; "
             "sys.exit(bool(JsonStrictValidator(SchemaVersion.V1_6).validate_str(sys.stdin.read())))")
    for bill, status in ((told, 0), (dict(told, components=[{"name": 1}]), 1)):
        assert subprocess.run([provision.python_of("bom"), "-c", check], input=json.dumps(bill), text=True).returncode == status


def test_packages_of_this_commit_are_not_built_again(packages, tmp_path, monkeypatch):
    """Their bill is made of what lies there; not of another commit's, nor where one is missing."""
    def never(*_, **__):
        raise AssertionError("a system is set up")
    folder, of = packages[0].parent, "%s/%s" % (build.git("rev-parse", "HEAD"), build.release())
    (tmp_path / "deb").mkdir()
    files = [pathlib.Path(shutil.copy(str(path), str(tmp_path / "deb"))) for path in packages]
    assert build.marked(tmp_path / "deb", of) is None and build.marked(folder, of) is None
    build.mark(tmp_path / "deb", of, files)
    monkeypatch.setattr(build.chroot, "fresh", never)
    made = build.build(["deb", "bom"], "HEAD", tmp_path, tested=False)
    assert made["deb"] == files and made["bom"][0].read_text().count('"bom-ref": "package:') == 5
    with pytest.raises(AssertionError, match="a system is set up"):
        build.build(["deb"], "HEAD", tmp_path)      # with the tests of their builds
    assert build.marked(tmp_path / "deb", "0" * 40 + of[40:]) is None
    files[0].unlink()
    assert build.marked(tmp_path / "deb", of) is None
