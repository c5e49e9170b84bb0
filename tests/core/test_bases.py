"""What devices counted outlives us, and nothing depends on it: files of our own, of others, damaged, of another boot or life."""
import json
import os
import pathlib
import stat
import tempfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tools.kernel import Kernel
from xenmeter.core import bases as module
from xenmeter.core.bases import Bases, open_bases
from xenmeter.core.identity import Lives

S = 10 ** 9
UUID = "33333333-2222-4333-8444-555555555501"
START = 10 ** 18


class Host:
    """Runs of ours over one domain's life."""

    def __init__(self, folder, name="collectd-xentop", source="direct"):
        self.folder, self.name, self.source = folder, name, source
        self.path = pathlib.Path(str(folder)) / (name + ".json")
        self.domid, self.cpu, self.now = 5, 0, START
        self.start()

    def start(self):
        self.lives = Lives()
        self.bases, self.why = Bases(str(self.folder), self.name), None
        self.lives.restore = self.bases.of(self.source)

    def stop(self, crash=False):
        if crash:
            self.bases._lock.release()
        else:
            self.bases.close(self.lives, self.source)

    def see(self, key=UUID, **vifs):
        """A reading; what each vif and the domain have counted. A vif is (counter, identity)."""
        self.now += 10 * S
        self.cpu += S
        self.lives.begin()
        life = self.lives.see(key, "web", UUID, self.domid, False, self.cpu, {}, 1)
        found = {name: life.vifs.update(name, (value,) * 8, self.now, identity)[0] for name, (value, identity) in vifs.items()}
        life.vifs.listed(set(vifs))
        self.lives.end(True)
        self.bases.after(self.lives, self.source)
        return found, life.vifs.total(8)[0]


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path / "run" / "counters")


@pytest.mark.parametrize("crash", [False, True])
def test_a_vif_that_was_plugged_again_before_a_restart(host, crash):
    """The public case: 100 GB, plugged again, 50.1 GB, a restart, 50.2 GB."""
    giga = 10 ** 9
    assert host.see(vif0=(100 * giga, 1)) == ({"vif0": 100 * giga}, 100 * giga)
    assert host.see() == ({}, 100 * giga)
    assert host.see(vif0=(50 * giga, 2)) == ({"vif0": 150 * giga}, 150 * giga)
    assert host.see(vif0=(50100000000, 2))[1] == 150100000000
    host.stop(crash)
    host.start()
    assert host.bases.remark is None
    assert host.see(vif0=(50200000000, 2)) == ({"vif0": 150200000000}, 150200000000)


def test_devices_that_are_gone_and_that_go_while_we_are_away_stay_in_the_sum(host):
    host.see(vif0=(100, 1), vif1=(7, 2), vif2=(1000, 3))
    host.see(vif1=(8, 2), vif2=(2000, 3))
    host.stop()
    host.start()
    assert host.see(vif1=(9, 2))[1] == 100 + 9 + 2000
    assert host.see(vif1=(9, 2), vif2=(50, 9)) == ({"vif1": 9, "vif2": 2050}, 100 + 9 + 2050)


def test_a_device_that_is_plugged_again_while_we_are_away_adds(host):
    host.see(vif0=(100, 1))
    host.stop()
    host.start()
    assert host.see(vif0=(150, 2))[0] == {"vif0": 250}


def test_another_life_begins_at_its_own_figures(host):
    host.see(vif0=(100, 1))
    host.stop()
    host.domid = 6
    host.start()
    assert host.see(vif0=(10, 1))[0] == {"vif0": 10}
    host.stop()
    host.cpu = 0        # the same domid, and less CPU time: domids were used up
    host.start()
    assert host.see(vif0=(20, 1))[0] == {"vif0": 20}


def test_another_source_and_another_front_know_nothing_of_it(host):
    host.see(vif0=(100, 1))
    host.stop()
    other = Host(host.folder, "collectd-xentop", "xentop")
    assert other.see(vif0=(10, 2))[0] == {"vif0": 10}
    other.stop()
    assert Host(host.folder, "execd-xentop").see(vif0=(10, 2))[0] == {"vif0": 10}


def test_domains_that_ended_are_dropped_and_those_that_wait_for_their_names_are_not(host):
    host.see(vif0=(100, 1))
    host.see(vif0=(5, 2))
    host.stop()
    host.start()
    host.see(key="another", vif0=(100, 1))
    host.see(key="another", vif0=(5, 2))
    assert [life["key"] for life in json.loads(host.path.read_text())["lives"]] == ["another", UUID]
    for _ in range(40):
        host.see(key="another", vif0=(6, 2))
    host.see(key="another", vif0=(1, 3))
    assert [life["key"] for life in json.loads(host.path.read_text())["lives"]] == ["another"]


def test_it_is_written_only_when_something_changes(host, monkeypatch):
    written = []
    monkeypatch.setattr(module.files, "replace", lambda path, data, mode: written.append((path, mode)))
    for value in range(100, 200):
        host.see(vif0=(value, 1))
    assert written == []
    host.see(vif0=(1, 2))
    host.see(vif0=(2, 2))
    assert written == [(str(host.path), 0o600)]


def test_the_file_is_ours_alone_and_so_is_its_folder(host):
    host.see(vif0=(100, 1))
    host.stop()
    assert stat.S_IMODE(host.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(host.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(host.path.parent.parent.stat().st_mode) == 0o755
    assert os.listdir(str(host.path.parent)) == [host.path.name]        # no lock, no half file


class TestWhatCannotBe:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        self.folder = tmp_path / "run" / "counters"
        monkeypatch.setenv("XENMETER_COUNTERS", str(self.folder))

    def why(self):
        bases, why = open_bases("execd-xentop")
        assert bases is None and why.endswith("is not kept over a restart") and "\n" not in why
        return why

    def test_it_shall_not_be(self, monkeypatch):
        monkeypatch.setenv("XENMETER_COUNTERS", "")
        assert open_bases("execd-xentop") == (None, None)

    def test_two_of_one_kind(self):
        first, _ = open_bases("execd-xentop")
        assert "is another process's" in self.why()
        other, _ = open_bases("collectd-xentop")
        assert other is not None
        first.close(Lives(), "direct")
        assert open_bases("execd-xentop")[0] is not None

    def test_no_folder(self):
        self.folder.parent.write_text("")
        assert str(self.folder.parent) in self.why() and "ot a directory" in self.why()

    def test_a_folder_that_others_may_write(self):
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o777)
        assert "is not this user's alone" in self.why()

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
    def test_a_folder_or_a_link_of_somebody_else(self, tmp_path):
        self.folder.mkdir(parents=True)
        os.chown(str(self.folder), 1000, 1000)
        assert "is not this user's alone" in self.why()
        self.folder.rmdir()
        (tmp_path / "elsewhere").mkdir()
        self.folder.symlink_to(tmp_path / "elsewhere")
        os.lchown(str(self.folder), 1000, 1000)
        assert "does not follow it" in self.why()

    def test_a_full_disk_is_told_and_the_rest_goes_on(self, monkeypatch):
        def full(path, data, mode):
            raise OSError(28, "No space left on device")
        host = Host(self.folder)
        monkeypatch.setattr(module.files, "replace", full)
        host.see(vif0=(100, 1))
        assert host.see(vif0=(5, 2))[0] == {"vif0": 105}
        assert "No space left on device; what devices counted" in host.bases.remark

    def test_more_than_a_file_may_hold(self, monkeypatch):
        host = Host(self.folder)
        monkeypatch.setattr(module, "_LIMIT", 100)
        host.see(vif0=(100, 1))
        host.see(vif0=(5, 2))
        assert "it would be larger" in host.bases.remark and not host.path.exists()


def kept(folder):
    host = Host(folder)
    host.see(vif0=(100, 1))
    host.see(vif0=(5, 2))
    host.stop()
    return host


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: data[:-5], lambda data: data + b"x", lambda data: b"[" * 100000, lambda data: b"\xff" * 99,
    lambda data: data.replace(b"105", b"-105"), lambda data: data.replace(b"105", b"1e5"),
    lambda data: data.replace(b"105", b'"1"'), lambda data: b"null", lambda data: b"[1]",
    lambda data: data.replace(b"[105", b"[1,105", 1), lambda data: data.replace(b'"vifs"', b'"x"'),
    lambda data: data.replace(b'"domid":5', b'"domid":"5"'), lambda data: b'{"version":1}',
    lambda data: data.replace(b"105", b"9" * 30), lambda data: data.replace(b"false", b"0"),
    lambda data: data.replace(b'"%s"' % UUID.encode(), b"[]"), lambda data: data.replace(b'"%s"' % UUID.encode(), b"[5]")])
def test_what_is_damaged_is_ignored_and_said_in_one_line(tmp_path, damage):
    host = kept(tmp_path)
    host.path.write_bytes(damage(host.path.read_bytes()))
    host.start()
    assert host.bases.remark == "%s is not what xenmeter writes there; it is ignored" % host.path
    assert host.see(vif0=(7, 2))[0] == {"vif0": 7}
    host.see(vif0=(1, 3))
    assert host.bases.remark is None and json.loads(host.path.read_text())["lives"][0]["vifs"]["vif0"][1] == [8] * 8


@pytest.mark.parametrize("change", [lambda told: told.update(boot="another"), lambda told: told.update(version=99)])
def test_what_is_of_another_boot_or_release_is_passed_over(tmp_path, change):
    host = kept(tmp_path)
    told = json.loads(host.path.read_text())
    change(told)
    host.path.write_text(json.dumps(told))
    host.start()
    assert host.bases.remark is None and host.see(vif0=(7, 2))[0] == {"vif0": 7}


@pytest.mark.parametrize("plant", [
    lambda path, other: path.symlink_to(other), lambda path, other: os.mkfifo(str(path)), lambda path, other: path.mkdir(),
    lambda path, other: os.link(str(other), str(path)), lambda path, other: (path.write_text("{}"), path.chmod(0o666))])
def test_what_is_planted_there_is_not_read(tmp_path, plant):
    host = kept(tmp_path / "run")
    other = tmp_path / "other"
    other.write_bytes(host.path.read_bytes())
    host.path.unlink()
    plant(host.path, other)
    host.start()
    assert str(host.path) in host.bases.remark and host.see(vif0=(7, 2))[0] == {"vif0": 7}
    assert other.exists()


STEPS = st.integers(0, 1 << 20)
EVENTS = st.lists(st.one_of(st.tuples(st.just("count"), STEPS), st.tuples(st.just("plugged again"), st.integers(0, 1 << 40)),
                            st.tuples(st.just("away"), st.just(0)), st.tuples(st.just("restart"), STEPS),
                            st.tuples(st.just("crash"), STEPS), st.tuples(st.just("again meanwhile"), st.integers(0, 1 << 40)),
                            st.tuples(st.just("damaged"), st.integers(1 << 55, (1 << 64) - 1))), max_size=20)


@settings(max_examples=100)
@given(st.integers(1, 1 << 40), st.booleans(), EVENTS)
@example(1, True, [("plugged again", (1 << 32) - 1), ("damaged", 1 << 55), ("count", 1), ("plugged again", 0)])
@example(4293918720, True, [("crash", 1 << 20)])
def test_against_a_model_with_restarts(start, narrow, events):
    """What is told, of the device and of the domain, is what was counted, over any number of restarts."""
    kernel = Kernel((start,), (narrow,), (1,))
    with tempfile.TemporaryDirectory() as folder:
        host, there, damaged = Host(folder), True, False
        assert host.see(vif0=(kernel.told()[0], 1))[1] == kernel.truth[0]
        for event, what in events:
            if event == "damaged" and damaged:
                event, what = "count", 1    # what is so again and again is believed
            if event == "crash" and narrow and there and (kernel.told()[0] + what) >> 32:
                what = 0                    # a wrap that nobody saw, after an end at which nothing was kept, nobody can know
            if event in ("restart", "crash", "again meanwhile") and not damaged:
                host.stop(event == "crash")
                host.start()
            if event in ("plugged again", "again meanwhile") or (event != "away" and not there):
                kernel.identity += 1
                kernel.begin((what if event != "damaged" else 5,))
            elif event != "away":
                kernel.count((what if event != "damaged" else 0,))
            there = event != "away"
            # Damage is damage only beside a figure that fits: of the same device, in the reading before.
            damaged = event == "damaged" and there and host.lives.get(UUID).vifs.known["vif0"].identity == kernel.identity
            value = what if damaged else kernel.told()[0]
            found, total = host.see(**({"vif0": (value, kernel.identity)} if there else {}))
            assert total in ((kernel.truth[0],) if not damaged else (None,)) or total is None and found["vif0"] is None
            assert not there or found["vif0"] == total
        host.stop(crash=True)
