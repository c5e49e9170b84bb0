"""Kernels' tables that are kept: the same again, for root alone, and nothing that is damaged or somebody else's."""
import hashlib
import os
import stat

import pytest
from helpers import kernel_image as made
from hypothesis import given
from hypothesis import strategies as st

from xenmeter.core.errors import BadInput, SourceError
from xenmeter.profile.kernel import cache, facts
from xenmeter.profile.kernel.elf import Elf

KNOWN = facts.of_elf(Elf(made.small_kernel()))
DATA = cache.encoded(KNOWN)
ID = made.BUILD_ID.hex()
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="what is kept is root's alone")


def told(kernel):
    """All that it says, as what can be compared."""
    orc = kernel.orc and (kernel.orc.base, list(kernel.orc.ips), kernel.orc.entries, kernel.orc.three_bits,
                          kernel.orc.early)
    return (kernel.release, kernel.build_id, kernel.base, kernel.note, list(kernel.names.at), kernel.names.names, orc,
            kernel.current, kernel.task, kernel.modules, kernel.user, kernel.hypercall_page, kernel.missing)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "vmlinuz"
    path.write_bytes(made.small_kernel())
    return str(path)


@pytest.fixture
def count(monkeypatch):
    """How often a kernel was read."""
    seen = []
    read = facts.of_data
    monkeypatch.setattr(facts, "of_data", lambda data, path: seen.append(path) or read(data, path))
    return seen


@pytest.mark.parametrize("kernel", [made.small_kernel(), made.small_kernel(late=True, three_bits=True)], ids=["6.1", "6.12"])
def test_what_is_kept_is_the_same(kernel):
    known = facts.of_elf(Elf(kernel))
    assert told(cache.decoded(cache.encoded(known))) == told(known)


def test_a_kernel_that_tells_little():
    names = made.names_section(made.filled())
    known = facts.of_elf(Elf(made.elf([(".text", 1, made.BASE, bytes(64)), (".rodata", 1, made.RODATA, names)])))
    assert told(cache.decoded(cache.encoded(known))) == told(known)


@ROOT
def test_a_kernel_is_read_once(image, count, kept):
    first, again = cache.Cache().of_file(image), cache.Cache().of_file(image)
    assert told(first) == told(again) and count == [image]
    assert sorted(os.listdir(str(kept))) == sorted([ID + ".tables", hashlib.sha256(made.small_kernel()).hexdigest() + ".image"])
    assert stat.S_IMODE(os.stat(str(kept)).st_mode) == 0o700
    assert {stat.S_IMODE(os.stat(str(kept / name)).st_mode) for name in os.listdir(str(kept))} == {0o600}
    assert told(cache.Cache().of_build(ID)) == told(KNOWN) and [kernel.build_id for kernel in cache.Cache().all()] == [ID]


@ROOT
def test_an_image_that_was_changed_is_another(image, count):
    cache.Cache().of_file(image)
    with open(image, "wb") as file:
        file.write(made.small_kernel(build_id=b"y" * 20))
    assert cache.Cache().of_file(image).build_id == (b"y" * 20).hex() and len(count) == 2
    with open(image, "wb") as file:
        file.write(b"text")
    with pytest.raises(SourceError, match="vmlinuz: it is packed in no way"):
        cache.Cache().of_file(image)
    with pytest.raises(SourceError, match="gone: No such file"):
        cache.Cache().of_file(image + "gone")


def _damage(path):
    with open(path, "r+b") as file:
        file.seek(3000)
        file.write(b"damage")


def _give_away(path):
    os.chown(path, 12345, -1)


@ROOT
@pytest.mark.parametrize("spoil", [
    _damage, _give_away, lambda path: os.chmod(path, 0o620), lambda path: os.truncate(path, 100),
    lambda path: os.truncate(path, 0), lambda path: (os.rename(path, path + "x"), os.symlink(path + "x", path)),
    lambda path: (os.unlink(path), os.mkfifo(path, 0o600)), lambda path: os.truncate(path, (1 << 26) + 1)],
    ids=["damaged", "of another owner", "that others may write", "cut", "empty", "a link", "a pipe", "too large"])
def test_a_file_that_is_not_ours_is_not_read(spoil, image, count, kept):
    cache.Cache().of_file(image)
    spoil(str(kept / (ID + ".tables")))
    assert cache.Cache().of_build(ID) is None and list(cache.Cache().all()) == []
    assert told(cache.Cache().of_file(image)) == told(KNOWN) and len(count) == 2
    assert told(cache.Cache().of_build(ID)) == told(KNOWN), "and it was written anew"


@ROOT
@pytest.mark.parametrize("spoil", [_give_away, lambda path: os.chmod(path, 0o755)],
                         ids=["of another owner", "that others may read"])
def test_a_folder_that_is_not_roots_alone_is_not_used(spoil, image, count, kept):
    kept.mkdir(parents=True)
    spoil(str(kept))
    used = cache.Cache()
    assert told(used.of_file(image)) == told(KNOWN) and os.listdir(str(kept)) == []
    assert used.remarks == ["the kernel's tables are not kept: %s is not root's alone (mode 0700)" % kept]


def test_others_than_root_keep_nothing(image, count, kept, monkeypatch):
    monkeypatch.setattr(cache.os, "geteuid", lambda: 1000)
    used = cache.Cache()
    assert told(used.of_file(image)) == told(KNOWN) and used.remarks == [] and not kept.exists()


@ROOT
def test_the_ones_used_last_are_kept(kept, monkeypatch):
    monkeypatch.setattr(cache, "MOST", 3)
    used = cache.Cache()
    ids = [bytes([number]) * 20 for number in range(5)]
    for number, build_id in enumerate(ids):
        assert used.keep(facts.of_elf(Elf(made.small_kernel(build_id=build_id))))
        os.utime(str(kept / (build_id.hex() + ".tables")), ns=(number, number))
        if number == 3:
            assert used.of_build(ids[1].hex()).build_id == ids[1].hex()      # it counts as used now
    assert sorted(os.listdir(str(kept))) == sorted(build_id.hex() + ".tables" for build_id in (ids[1], ids[3], ids[4]))


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "ABC", "g" * 40, None])
def test_what_is_no_build_id_is_no_file(name):
    assert cache.Cache().of_build(name) is None


def test_a_kernel_without_a_build_id_is_not_kept(kept):
    known = cache.decoded(DATA)
    known.build_id = None
    assert not cache.Cache().keep(known) and not kept.exists()


@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_any_damage_is_seen(at, by):
    spoilt = bytearray(DATA)
    spoilt[at] ^= by
    with pytest.raises(BadInput):
        cache.decoded(bytes(spoilt))


@given(st.binary(max_size=200), st.sampled_from([b"", b"{}\n", b'{"sizes": [1, 2, 3, 4, 5]}\n', b'{"sizes": [-1, 1, 0, 0, 0]}\n',
                                                 DATA[len(cache._MAGIC) + 32:3000]]))
def test_right_digests_of_anything(data, begin):
    body = begin + data
    with pytest.raises(BadInput):
        cache.decoded(cache._MAGIC + hashlib.sha256(body).digest() + body)
