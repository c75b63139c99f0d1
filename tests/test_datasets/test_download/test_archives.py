from __future__ import annotations

import gzip
import io
import stat
import tarfile
import zipfile
from contextlib import suppress

import numpy as np
import pytest

from datasets.raw import archives
from datasets.raw.archives import unpack
from datasets.spec import DataError

KINDS = ("log.zip", "log.tar.gz")
FILES = {"ml/u.data": b"1\t2\t3\n" * 100, "ml/u.user": b"7|23\n", "ml/README": b"read me"}
NAMES = {"ml/u.data": "u.data", "ml/u.user": "u.user"}


def write_zip(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)


def write_tar(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def write(path, files):
    (write_zip if path.suffix == ".zip" else write_tar)(path, list(files))
    return path


@pytest.fixture
def folder(tmp_path):
    """The empty folder to unpack into; nothing may come to lie beside it."""
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    yield folder
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["deep"]
    assert list((tmp_path / "deep").iterdir()) == [folder]


def name_of(entry):
    return NAMES.get(entry.path)


def refusal_of(path, folder):
    with pytest.raises(DataError) as caught:
        unpack(path, name_of, folder)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("kind", [*KINDS, "log"])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_chosen_entries_alone_are_written(tmp_path, folder, kind, prefix):
    files = [(prefix + name, part) for name, part in FILES.items()]
    path = write(tmp_path / kind, files)

    unpack(path, name_of, folder)

    written = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert written == {"u.data": FILES["ml/u.data"], "u.user": FILES["ml/u.user"]}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", ["../u.data", "ml/../../u.data", "/u.data", "..\\u.data", "C:\\u.data", "\\u"]
)
def test_path_that_leads_out_is_refused(tmp_path, folder, kind, name):
    path = write(tmp_path / kind, [*FILES.items(), (name, b"evil")])

    assert "leads out of the folder" in refusal_of(path, folder)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_tar_entry_that_is_no_plain_file_is_refused(tmp_path, folder, kind):
    entry = tarfile.TarInfo("ml/u.data")
    entry.type, entry.linkname = kind, "/etc/hostname"
    with tarfile.open(tmp_path / "log.tar.gz", "w:gz") as archive:
        archive.addfile(entry)

    assert "is no plain file" in refusal_of(tmp_path / "log.tar.gz", folder)


def test_tar_file_behind_a_link_does_not_follow_it(tmp_path, folder):
    link = tarfile.TarInfo("ml")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    with tarfile.open(tmp_path / "log.tar.gz", "w:gz") as archive:
        archive.addfile(link)
        archive.addfile(tarfile.TarInfo("ml/u.data"))

    unpack(tmp_path / "log.tar.gz", name_of, folder)

    assert [path.name for path in folder.iterdir()] == ["u.data"]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO, stat.S_IFDIR])
def test_zip_entry_that_is_no_plain_file_is_refused(tmp_path, folder, kind):
    entry = zipfile.ZipInfo("ml/u.data")
    entry.external_attr = (kind | 0o644) << 16
    write_zip(tmp_path / "log.zip", [(entry, b"/etc/hostname")])

    assert "is no plain file" in refusal_of(tmp_path / "log.zip", folder)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_entry_that_comes_twice_is_refused(tmp_path, folder, kind):
    path = write(tmp_path / kind, [*FILES.items(), ("ml/u.data", b"another")])

    assert "holds more than one 'u.data'" in refusal_of(path, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_size_that_is_unpacked_is_bounded(tmp_path, folder, kind, monkeypatch):
    monkeypatch.setattr(archives, "ALLOWANCE", 0)
    path = write(tmp_path / kind, [("ml/u.data", bytes(20_000_000))])

    assert "unpacks to more than 50 times its own size" in refusal_of(path, folder)

    assert not list(folder.iterdir())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"<html>log in first</html>", b"\xff" * 5_000])
def test_file_that_is_no_archive_is_refused(tmp_path, folder, kind, content):
    (tmp_path / kind).write_bytes(content)

    assert "cannot be unpacked" in refusal_of(tmp_path / kind, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_archive_that_is_cut_short_is_refused(tmp_path, folder, kind):
    noise = np.random.default_rng(1).bytes(100_000)
    path = write(tmp_path / kind, [("ml/u.data", b"1"), ("ml/README", noise)])
    path.write_bytes(path.read_bytes()[:50_000])

    assert "cannot be unpacked" in refusal_of(path, folder)


def test_wrong_checksum_at_the_end_is_noticed(tmp_path, folder):
    path = write(tmp_path / "log.tar.gz", FILES.items())
    damaged = bytearray(path.read_bytes())
    damaged[-8] ^= 1
    path.write_bytes(damaged)

    assert "CRC check failed" in refusal_of(path, folder)


def test_encrypted_zip_is_refused(tmp_path, folder):
    path = write(tmp_path / "log.zip", FILES.items())
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    content[content.index(b"PK\x03\x04") + 6] |= 1
    path.write_bytes(content)

    assert "entry 'ml/u.data' is encrypted; nothing is unpacked" in refusal_of(path, folder)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_archive_is_refused_or_unpacked(tmp_path, kind):
    rng = np.random.default_rng(7)
    path = write(tmp_path / kind, FILES.items())
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    if kind == "log.tar.gz":
        whole = np.frombuffer(gzip.decompress(whole.tobytes()), np.uint8)
    for turn in range(300):
        damaged = whole.copy()
        damaged[rng.integers(0, len(damaged), 3)] = rng.integers(0, 256, 3)
        content = damaged.tobytes()
        path.write_bytes(gzip.compress(content, 1) if kind == "log.tar.gz" else content)
        folder = tmp_path / str(turn)
        folder.mkdir()

        with suppress(DataError):
            unpack(path, name_of, folder)
        assert {file.name for file in folder.iterdir()} <= {"u.data", "u.user"}
