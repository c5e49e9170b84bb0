"""Files are made whole, and root never writes through a link of somebody else's."""
import errno
import os
import stat
import subprocess
import sys

import pytest

from xenmeter.core import files

ROOT = os.geteuid() == 0
NOBODY = 65534


def mode_of(path):
    return stat.S_IMODE(os.stat(str(path)).st_mode)


class TestReplace:
    def test_a_file_is_replaced_whole_and_has_its_mode_whatever_the_umask(self, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(b"old")
        before = os.umask(0o077)
        try:
            files.replace(str(path), b"new", 0o644)
        finally:
            os.umask(before)
        assert path.read_bytes() == b"new" and mode_of(path) == 0o644
        assert os.listdir(str(tmp_path)) == ["x"]

    def test_where_it_fails_the_old_one_stays_and_nothing_is_left(self, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(b"old")
        with pytest.raises(ZeroDivisionError):
            with files.replacing(str(path)) as file:
                file.write(b"half")
                raise ZeroDivisionError
        assert path.read_bytes() == b"old" and os.listdir(str(tmp_path)) == ["x"]

    def test_a_full_disk_leaves_nothing(self, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(b"old")
        code = ("import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
                "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096)); from xenmeter.core import files\n"
                "try:\n    files.replace(sys.argv[1], b'n' * 100000)\nexcept OSError as error:\n    print(error.errno)\n")
        told = subprocess.run([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, universal_newlines=True,
                              env=dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p)))
        assert told.stdout.strip() == str(errno.EFBIG)
        assert path.read_bytes() == b"old" and os.listdir(str(tmp_path)) == ["x"]

    def test_a_link_of_that_name_is_replaced_not_followed(self, tmp_path):
        victim, link = tmp_path / "victim", tmp_path / "x"
        victim.write_bytes(b"mine")
        link.symlink_to(victim)
        files.replace(str(link), b"new")
        assert victim.read_bytes() == b"mine" and link.read_bytes() == b"new" and not link.is_symlink()

    @pytest.mark.parametrize("path", ["", "x/", "no/where/x"])
    def test_no_such_place(self, tmp_path, monkeypatch, path):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(OSError):
            files.replace(path, b"")

    def test_a_long_name_has_room_for_the_temporary_one(self, tmp_path):
        path = tmp_path / ("n" * 250)
        files.replace(str(path), b"1")
        assert path.read_bytes() == b"1"


class TestCreate:
    @pytest.mark.parametrize("kind", ["symlink", "hardlink", "dangling"])
    def test_what_somebody_put_there_is_not_written_through(self, tmp_path, kind):
        victim, path = tmp_path / "victim", tmp_path / "x"
        victim.write_bytes(b"mine")
        if kind == "hardlink":
            os.link(str(victim), str(path))
        else:
            path.symlink_to(victim if kind == "symlink" else tmp_path / "new-victim")
        with files.create(str(path)) as file:
            file.write(b"log")
        assert victim.read_bytes() == b"mine" and path.read_bytes() == b"log"
        assert sorted(os.listdir(str(tmp_path))) == ["victim", "x"]

    def test_a_fifo_is_refused_and_does_not_hang(self, tmp_path):
        os.mkfifo(str(tmp_path / "x"))
        with pytest.raises(OSError, match="no regular file"):
            files.create(str(tmp_path / "x"))


class TestOwn:
    def test_it_is_made_and_found_again(self, tmp_path):
        path = str(tmp_path / "x")
        for _ in range(2):
            descriptor = files.own(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(descriptor, b"1")
            os.close(descriptor)
        assert (tmp_path / "x").read_bytes() == b"11" and mode_of(tmp_path / "x") == 0o600

    @pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo"])
    def test_others_are_refused(self, tmp_path, kind):
        victim, path = tmp_path / "victim", tmp_path / "x"
        victim.write_bytes(b"mine")
        {"symlink": lambda: path.symlink_to(victim), "hardlink": lambda: os.link(str(victim), str(path)),
         "fifo": lambda: os.mkfifo(str(path))}[kind]()
        with pytest.raises(OSError):
            files.own(str(path), os.O_RDWR | os.O_CREAT)

    @pytest.mark.skipif(not ROOT, reason="only root can give a file away")
    def test_a_file_of_somebody_elses_is_refused(self, tmp_path):
        path = tmp_path / "x"
        path.write_bytes(b"")
        os.chown(str(path), NOBODY, -1)
        with pytest.raises(OSError, match="ours alone"):
            files.own(str(path), os.O_RDWR | os.O_CREAT)


class TestFolder:
    def test_links_of_our_own_are_followed_absolute_and_relative(self, tmp_path):
        (tmp_path / "real" / "deep").mkdir(parents=True)
        (tmp_path / "absolute").symlink_to(tmp_path / "real")
        (tmp_path / "relative").symlink_to("real/../absolute")
        files.replace(str(tmp_path / "relative" / "deep" / "." / ".." / "deep" / "x"), b"1")
        assert (tmp_path / "real" / "deep" / "x").read_bytes() == b"1"

    def test_a_loop_ends(self, tmp_path):
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        with pytest.raises(OSError) as told:
            files.replace(str(tmp_path / "a" / "x"), b"")
        assert told.value.errno == errno.ELOOP

    def test_it_makes_what_is_missing(self, tmp_path):
        with files.folder(str(tmp_path / "a" / "b"), make=True):
            pass
        with files.folder(str(tmp_path / "c"), make=True, mode=0o711):
            pass
        assert (tmp_path / "a" / "b").is_dir() and mode_of(tmp_path / "c") == 0o711

    @pytest.mark.skipif(not ROOT, reason="only root can give a link away")
    @pytest.mark.parametrize("call", [lambda path: files.replace(path, b""), lambda path: files.create(path),
                                      lambda path: files.own(path, os.O_RDWR | os.O_CREAT),
                                      lambda path: files.folder(os.path.dirname(path), make=True).__enter__()])
    def test_root_does_not_follow_a_link_of_somebody_elses_on_the_way(self, tmp_path, call):
        (tmp_path / "secret").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "secret")
        os.chown(str(tmp_path / "link"), NOBODY, -1, follow_symlinks=False)
        with pytest.raises(OSError, match="root does not follow it"):
            call(str(tmp_path / "link" / "x"))
        assert os.listdir(str(tmp_path / "secret")) == []

    def test_no_descriptor_is_left_open(self, tmp_path):
        before = len(os.listdir("/proc/self/fd"))
        for path in (tmp_path / "x", tmp_path / "none" / "x", tmp_path / "x" / "y"):
            try:
                files.replace(str(path), b"")
            except OSError:
                pass
        assert len(os.listdir("/proc/self/fd")) <= before
