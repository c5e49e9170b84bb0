"""The shared file: layout, many sizes, dead and moved writers, kills at any moment, and the readers of the README."""
import os
import pathlib
import re
import signal
import struct
import subprocess
import sys
import time
import zlib

import pytest

from helpers.captures import KHZ, SECOND, capture
from helpers.paths import TOP
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker import shm, writing
from xenmeter.xentrace.baker.shm import Reader
from xenmeter.xentrace.baker.writing import Writer
from xenmeter.xentrace.engine import columns
from xenmeter.xentrace.engine.passes import address_of
from xenmeter.xentrace.engine.windowed import Baking

ROOT = str(TOP)
BEAT = 10 ** 9
README = pathlib.Path(ROOT) / "plugins" / "xenmeter" / "xentrace" / "README.md"


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "baker")


def test_what_is_written_is_read(path):
    writer, reader = Writer(path, BEAT), Reader(path)
    for number in range(1, 6):
        writer.write([b"{%d}" % number], 1000 + number)
        assert reader.read() == (number, 1000 + number, b"{%d}" % number)
    assert os.stat(path).st_mode & 0o777 == 0o640


def test_the_layout_is_the_documented_one(path):
    Writer(path, BEAT).write([b"{}"], 77)
    data = pathlib.Path(path).read_bytes()
    assert data[:8] == b"XENMETER" and struct.unpack_from("<IIII", data, 8) == (3, 4096, 1, 2)
    width, beat, longest, pid = struct.unpack_from("<QQQQ", data, 24)
    assert len(data) == 4096 + 2 * width and longest == BEAT and pid == os.getpid()
    assert data[56:96].rstrip(b"\0") == shm.boot_id() and abs(beat - time.monotonic() * 1e9) < 10 ** 10
    at = 4096 + width
    assert struct.unpack_from("<QIIQ", data, at) == (1, 2, zlib.crc32(b"{}"), 77)
    assert data[at + 24:at + 26] == b"{}"


def test_it_grows_and_readers_follow(path):
    writer, reader = Writer(path, BEAT), Reader(path)
    writer.write([b"small"], 1)
    assert reader.read()[2] == b"small"
    for power in range(15, 22):
        document = os.urandom(1 << power)
        writer.write([document], power)
        assert reader.read()[1:] == (power, document)
    assert os.listdir(os.path.dirname(path)) == ["baker"]


def test_a_file_that_cannot_be_looked_at_is_a_fault_that_passes(path, monkeypatch):
    writer, reader = Writer(path, BEAT), Reader(path)
    real, failures = os.fstat, [OSError(12, "Cannot allocate memory")]
    monkeypatch.setattr(shm.os, "fstat", lambda file: real(file) if not failures else _raised(failures.pop()))
    now = shm.steady_ns()
    writer.beat()       # the last one is new: nothing is touched
    monkeypatch.setattr(writing, "steady_ns", lambda: now + BEAT)
    with pytest.raises(SourceError, match="cannot look at .*: Cannot allocate memory"):
        writer.beat()
    writer.write([b"{}"], 1)
    assert reader.read() == (1, 1, b"{}")


def _raised(error):
    raise error


def test_a_damaged_slot_is_not_shown(path):
    writer = Writer(path, BEAT)
    writer.write([b"first"], 1)
    writer.write([b"second"], 2)
    with open(path, "r+b") as file:
        file.seek(4096 + 24)        # the second one lies in slot 0
        file.write(b"S")
    assert Reader(path).read() == (1, 1, b"first")


def test_no_writer_no_figures(path, tmp_path):
    with pytest.raises(SourceError, match="no baker runs here"):
        Reader(path).read()
    pathlib.Path(path).write_bytes(b"x" * 5000)
    with pytest.raises(SourceError, match="is not a baker's file"):
        Reader(path).read()
    writer, reader = Writer(path, BEAT), Reader(path)
    with pytest.raises(SourceError, match="nothing to show yet"):
        reader.read()
    writer.write([b"{}"], 1)
    assert reader.read()[0] == 1
    writer.close()
    with pytest.raises(SourceError, match="no baker runs here"):
        reader.read()


def test_a_silent_writer_is_a_dead_one_and_its_successor_is_found(path, monkeypatch):
    writer, reader = Writer(path, BEAT), Reader(path)
    writer.write([b"old"], 1)
    now = shm.steady_ns()
    for module in (shm, writing):
        monkeypatch.setattr(module, "steady_ns", lambda: now + 4 * BEAT)
    with pytest.raises(SourceError, match="has been silent for too long"):
        reader.read()
    Writer(path, BEAT).write([b"new"], 2)
    assert reader.read() == (1, 2, b"new")


def test_a_file_of_another_boot(path, monkeypatch):
    Writer(path, BEAT).write([b"old"], 1)
    monkeypatch.setattr(shm, "boot_id", lambda: b"another")
    with pytest.raises(SourceError, match="before the last boot"):
        Reader(path).read()


def test_a_boot_that_is_not_to_be_known_now(path, monkeypatch):
    """A file that is made meanwhile would be of another boot for good: it is made when the boot is known."""
    writer, known, faults = Writer(path, BEAT), shm.boot_id(), [1, 1]

    def boot_id():
        if faults:
            faults.pop()
            raise OSError(5, "Input/output error")
        return known
    for module in (shm, writing):
        monkeypatch.setattr(module, "boot_id", boot_id)
    os.truncate(path, 100)
    for _ in range(2):
        with pytest.raises(SourceError, match="cannot make .*: Input/output error"):
            writer.write([b"x"], 1)
    writer.write([b"new"], 2)
    reader = Reader(path)
    assert reader.read()[1:] == (2, b"new")
    faults.append(1)
    with pytest.raises(SourceError, match="cannot be read: Input/output error"):
        reader.read()
    assert reader.read()[1:] == (2, b"new")
    assert not [name for name in os.listdir(os.path.dirname(path)) if name != "baker"]


def test_another_version_is_refused(path):
    Writer(path, BEAT).write([b"x"], 1)
    with open(path, "r+b") as file:
        file.seek(8)
        file.write(struct.pack("<I", 1))
    with pytest.raises(SourceError, match="layout version 1; this xenmeter reads 3"):
        Reader(path).read()


WRITER = """
import sys
from xenmeter.xentrace.baker.writing import Writer
writer = Writer(sys.argv[1], 10 ** 9)
number = 0
while True:
    number += 1
    writer.write([b"%d " % number * (1 + number % 7 * 400)], number)
"""


def spawn(path):
    environment = dict(os.environ, PYTHONPATH=os.path.join(ROOT, "plugins"))
    return subprocess.Popen([sys.executable, "-c", WRITER, path], env=environment)


def test_kills_at_any_moment_never_give_a_wrong_document(path):
    """A writer that never rests is killed again and again, and read all the time."""
    reader = Reader(path)
    read = 0
    for round_ in range(4):
        writer = spawn(path)
        try:
            before, began = read, time.monotonic()
            while time.monotonic() < began + 0.5 or read < before + 6 and time.monotonic() < began + 60:
                read += look(reader)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        read += look(reader)
    assert read > 20


def look(reader):
    """1 where there was a whole document; it says itself what it must be."""
    try:
        _, number, document = reader.read()
    except SourceError as error:
        assert re.search("nothing to show|no baker|silent for too long", str(error))     # the last one on a machine that is busy
        return 0
    assert document == b"%d " % number * (1 + number % 7 * 400)
    return 1


def block(language):
    """The README's example in a language."""
    return re.search("```%s\n(.*?)```" % language, README.read_text(), re.S).group(1)


@pytest.fixture(scope="module")
def pictures():
    """Of a trace's windows: what the file holds, and what the readers are to show of it."""
    baking = Baking(KHZ, [SECOND])
    baking.engine.feed(capture("narrow-steady"))
    baking.finish()
    baking.close()
    return [(picture.parts(), "".join("%d %d\n" % row[:2] for row in picture.domain_rows()).encode())
            for picture in list(baking.taken)[:3]]


def shows(command, path, pictures):
    """The reader shows each picture, and none that is damaged."""
    writer = Writer(path, BEAT)
    for number, (parts, expected) in enumerate(pictures):
        writer.write(parts, number)
        assert subprocess.run(command + [path], stdout=subprocess.PIPE, check=True).stdout == expected and expected
    with open(path, "r+b") as file:
        file.seek(os.path.getsize(path) // 2 + 2048 + 24 + 300)     # the third lies in slot 1
        file.write(b"X")
    done = subprocess.run(command + [path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert (done.returncode, done.stdout) == (1, b"")


def test_the_readmes_reader_in_python(path, pictures):
    text = block("python")
    assert len(text.splitlines()) <= 12
    shows([sys.executable, "-c", text], path, pictures)


def test_the_readmes_reader_in_c(path, tmp_path, pictures):
    from tools.compiler import compiler
    text = block("c")
    assert len([line for line in text.splitlines() if not line.startswith("#include")]) <= 20
    (tmp_path / "reader.c").write_text(text)
    subprocess.run(compiler() + ["-Wall", "-Wextra", "-Werror", "-O2", "-o", str(tmp_path / "reader"),
                                 str(tmp_path / "reader.c")], check=True)
    shows([str(tmp_path / "reader")], path, pictures)


def test_the_readmes_reader_in_go(path, tmp_path, pictures):
    from tools import gobuild, provision
    go = gobuild.toolchain((1, 16), lambda: provision.python_of("python"), provision._say)
    (tmp_path / "reader.go").write_text(block("go"))
    environment = dict(os.environ, GOCACHE=str(tmp_path / "cache"), GOFLAGS="", GO111MODULE="off", CGO_ENABLED="0",
                       GOTOOLCHAIN="local")
    subprocess.run([go, "build", "-o", str(tmp_path / "reader"), str(tmp_path / "reader.go")], check=True, env=environment)
    shows([str(tmp_path / "reader")], path, pictures)


def test_the_readme_names_the_columns():
    text = README.read_text()
    for names in (columns.TRACE, columns.PCPU, columns.DOMAIN, columns.VCPU, columns.WINDOW):
        assert "| " + ", ".join("`%s`" % name for name in names) + " |" in text
    assert ", ".join("`%s`" % name for name in columns.MEASURES) in text


class TestAFullDisk:
    """On tmpfs a hole that is touched needs a page; where none is left, that is SIGBUS for whoever has it mapped."""

    SCRIPT = """
import sys
from xenmeter.core.errors import SourceError
from xenmeter.xentrace.baker.shm import Reader
from xenmeter.xentrace.baker.writing import Writer
try:
    writer = Writer(sys.argv[1], 10 ** 9)
    writer.write([b"{}"], 1)
    print("made", Reader(sys.argv[1]).read()[2])
except SourceError as error:
    print(error)
"""

    @pytest.fixture(name="full")
    def _full(self, tmp_path):
        if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(tmp_path)],
                                          stderr=subprocess.PIPE).returncode:
            pytest.skip("a small file system can be mounted by root alone")
        yield tmp_path
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)

    @pytest.mark.parametrize("free", range(6))
    def test_the_file_is_not_made_and_nobody_dies(self, full, free):
        with open(str(full / "filling"), "wb", 0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
            file.truncate(os.path.getsize(str(full / "filling")) - 4096 * free)
        done = subprocess.run([sys.executable, "-c", self.SCRIPT, str(full / "baker")], stdout=subprocess.PIPE,
                              env=dict(os.environ, PYTHONPATH=os.path.join(ROOT, "plugins")))
        assert done.returncode == 0
        assert done.stdout.decode() == "cannot make %s: No space left on device\n" % (full / "baker")
        assert os.listdir(str(full)) == ["filling"]

    def test_there_is_room(self, full):
        writer = Writer(str(full / "baker"), BEAT)
        assert os.stat(str(full / "baker")).st_blocks * 512 >= os.path.getsize(str(full / "baker"))
        writer.write([b"1"], 1)
        with pytest.raises(SourceError, match="No space left"):
            writer.write([b"2" * (1 << 18)], 2)
        assert Reader(str(full / "baker")).read() == (1, 1, b"1")       # what is there stays, and the writer goes on
        writer.write([b"3"], 3)
        assert Reader(str(full / "baker")).read() == (2, 3, b"3")


class TestWhatSomebodyDoesToTheFile:
    """Each of it is one line, for a reader that has the file open and for one that opens it then, and passes with its cause."""

    @staticmethod
    def at(place, data):
        def change(path):
            with open(path, "r+b") as file:
                file.seek(place)
                file.write(data)
        return change

    CHANGES = {
        "emptied": lambda path: os.truncate(path, 0),
        "cut in the header": lambda path: os.truncate(path, 40),
        "cut behind the header": lambda path: os.truncate(path, 4096),
        "cut in a slot": lambda path: os.truncate(path, 4096 + 30),
        "an odd length": lambda path: os.truncate(path, os.path.getsize(path) - 3),
        "no magic": at.__func__(0, b"x"),
        "many slots": at.__func__(20, struct.pack("<I", 200000000)),
        "no slot": at.__func__(20, struct.pack("<I", 0)),
        "no width": at.__func__(24, struct.pack("<Q", 0)),
        "an odd width": at.__func__(24, struct.pack("<Q", 4097)),
        "a great width": at.__func__(24, struct.pack("<Q", (1 << 64) - 8)),
        "another header": at.__func__(12, struct.pack("<I", 0)),
        "another state": at.__func__(16, struct.pack("<I", 77)),
        "a beat of the future": at.__func__(32, b"\xff" * 8),
        "no beat": at.__func__(32, bytes(8)),
        "long documents": lambda path: [TestWhatSomebodyDoesToTheFile.at(4096 + n * width_of(path) + 8, b"\xff" * 4)(path)
                                        for n in (0, 1)],
    }

    @pytest.mark.parametrize("change", CHANGES.values(), ids=[name.replace(" ", "-") for name in CHANGES])
    def test_damage(self, path, change):
        writer = Writer(path, BEAT)
        writer.write([b"1"], 1)
        before = Reader(path)
        assert before.read()[2] == b"1"
        change(path)
        for reader in (before, Reader(path)):
            try:
                assert reader.read()[2] == b"1"
            except SourceError as error:
                assert len(str(error)) < 300 and "\n" not in str(error)
        anew = Writer(path, BEAT)
        anew.write([b"2"], 2)
        assert before.read()[2] == b"2"

    @pytest.mark.parametrize("kind", ["fifo", "directory", "device", "removed"])
    def test_something_else_in_its_place(self, path, kind):
        {"fifo": os.mkfifo, "directory": os.mkdir, "device": lambda path: os.symlink("/dev/zero", path),
         "removed": lambda path: None}[kind](path)
        with pytest.raises(SourceError, match="not a baker's file|no baker runs here"):
            Reader(path).read()

    def test_a_writer_whose_file_is_cut_makes_another(self, path):
        writer, reader = Writer(path, BEAT), Reader(path)
        for number in range(1, 4):
            writer.write([b"%d" % number], number)
            assert reader.read()[2] == b"%d" % number
            os.truncate(path, 0)
            if number == 2:
                writer.beat()
                os.truncate(path, 5000)
        writer.close()

    @pytest.mark.parametrize("command", ["rm $0", "mv $0 $0-old", "echo x > $0-new; mv $0-new $0"])
    def test_a_writer_whose_file_is_taken_away_makes_another(self, path, command):
        """By who cleans up below /run. Who reads already follows, and who comes finds it."""
        writer, reader = Writer(path, BEAT), Reader(path)
        writer.write([b"1"], 1)
        assert reader.read()[2] == b"1"
        subprocess.run(["sh", "-c", command, path], check=True)
        writer.write([b"2"], 2)
        assert (reader.read()[2], Reader(path).read()[2]) == (b"2", b"2")
        writer.close()
        assert not os.path.exists(path)

    def test_a_writer_whose_folder_is_taken_away_goes_on_when_it_is_there_again(self, path):
        os.mkdir(path + "-folder")
        writer = Writer(path + "-folder/baker", BEAT)
        os.rename(path + "-folder", path + "-gone")
        with pytest.raises(SourceError, match="cannot make .*baker: No such file or directory"):
            writer.write([b"1"], 1)
        os.mkdir(path + "-folder")
        writer.write([b"2"], 2)
        assert Reader(path + "-folder/baker").read()[2] == b"2"
        writer.close()

    def test_hundreds_of_made_files(self, path):
        """Random headers and slots: a document that its CRC vouches for, or one line."""
        import random
        chance = random.Random(4)
        Writer(path, BEAT).write([b"{}"], 1)
        whole = pathlib.Path(path).read_bytes()
        for _ in range(300):
            data = bytearray(whole)
            for _ in range(chance.choice((1, 2, 8))):
                place = chance.choice((chance.randrange(96), 4096 + chance.randrange(24),
                                       4096 + width_of(path) + chance.randrange(24)))
                data[place] = chance.randrange(256)
            made = path + "-made"
            pathlib.Path(made).write_bytes(data[:chance.choice((len(data), chance.randrange(len(data))))])
            reader = Reader(made)
            try:
                assert reader.read()[2] in (b"{}", b"")
            except SourceError:
                pass
            reader.close()


def width_of(path):
    return (os.path.getsize(path) - 4096) // 2


def test_the_compiled_crc_is_zlibs(shared_object):
    """And the bytes are where they belong, of any length and at any place."""
    from xenmeter.xentrace.engine import compiled
    assert compiled.use(shared_object)
    put = compiled.library().xenmeter_hot_put
    data = bytearray(os.urandom(5000))
    for size in [*range(300), 1023, 1024, 4095, 4096, 4900]:
        for at in (0, 1, 7, 16, 40):
            target = bytearray(b"-" * 5100)
            crc = put(address_of(target) + 3 + at, address_of(data) + at, size, zlib.crc32(b"before"))
            if crc < 0:
                pytest.skip("this CPU does not multiply without carries")
            assert crc == zlib.crc32(data[at:at + size], zlib.crc32(b"before")), (size, at)
            assert target == b"-" * (3 + at) + data[at:at + size] + b"-" * (5097 - at - size)
