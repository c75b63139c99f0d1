"""Logs that are unpacked before they are read: archives of one file, bzip2 and xz."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tomllib
import zipfile

import numpy as np
import pytest

from datasets.catalog import custom
from datasets.describe import main
from datasets.prepare import prepare
from datasets.raw import archives
from datasets.spec import PrepareOptions

NOISE = {"__MACOSX/._log.csv": b"\0", "data/.DS_Store": b"\0", "data/desktop.ini": b"\0"}


def lines_of(seed=1, num_rows=300):
    """A log in the order of its times."""
    rng = np.random.default_rng(seed)
    rows = zip(rng.integers(0, 2, num_rows), rng.integers(0, 9, num_rows), strict=True)
    return "time,site,item,click\n" + "".join(
        f"{1_600_000_000 + 60 * place},{'ab'[item % 2]},i{item},{click}\n"
        for place, (click, item) in enumerate(rows)
    )


LOG = lines_of().encode()


def zipped(files, compression=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        archive.mkdir("data")
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


def tarred(files, mode="w"):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        folder = tarfile.TarInfo("./data")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


FILES = {"data/log.csv": LOG, **NOISE}
READ = {
    "zip": zipped(FILES),
    "zip of stored bytes": zipped(FILES, zipfile.ZIP_STORED),
    "tar": tarred(FILES),
    "tar.gz": tarred(FILES, "w:gz"),
    "tar.bz2": tarred(FILES, "w:bz2"),
    "tar.xz": tarred(FILES, "w:xz"),
    "bz2": bz2.compress(LOG[:99]) + bz2.compress(LOG[99:]),
    "xz": lzma.compress(LOG),
    "gzip in zip": zipped({"log.csv.gz": gzip.compress(LOG)}),
    "zip of a file with a tar's name": zipped({"log.tar": LOG}),
}


@pytest.fixture
def describe(capsys, tmp_path):
    """Describe a file of these bytes; returns the proposal's text and the remarks."""

    def run(content, name="log"):
        (tmp_path / name).write_bytes(content)
        assert main([str(tmp_path / name)]) == 0
        return tuple(capsys.readouterr())

    return run


@pytest.fixture
def prepared(tmp_path):
    """Prepare what was proposed."""

    def run(text):
        (tmp_path / "log.toml").write_text(text)
        entry = custom.read_spec(tmp_path / "log.toml")
        return prepare(entry, None, tmp_path / "cache", PrepareOptions())

    return run


@pytest.fixture
def refusal(capsys, tmp_path):
    """The one line about a file of these bytes, without its place."""

    def run(content):
        (tmp_path / "log").write_bytes(content)
        assert main([str(tmp_path / "log")]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        return message.partition(f"{tmp_path / 'log'}: ")[2].rstrip()

    return run


@pytest.mark.parametrize("content", READ.values(), ids=READ)
def test_archive_of_one_file_is_read_as_the_file(describe, prepared, content):
    text, _ = describe(LOG, "plain")
    plain = prepared(text).rows().tolist()
    text, remarks = describe(content)

    assert tomllib.loads(text)["files"] == "log"
    assert tomllib.loads(text)["timestamp"] == "time"
    assert "log is read from an unpacked copy, " in remarks
    assert prepared(text).rows().tolist() == plain


def test_parquet_in_an_archive_is_read(describe, prepared, tiny):
    stream = io.BytesIO()
    tiny.write_parquet(stream)

    text, _ = describe(zipped({"log.parquet": stream.getvalue()}))

    assert prepared(text).card["rows_in_log"] == len(tiny)


def test_parts_may_be_archives(describe, prepared, tmp_path, capsys):
    (tmp_path / "part-1").write_bytes(zipped({"a.csv": LOG}))
    (tmp_path / "part-2").write_bytes(LOG)
    assert main([str(tmp_path / "part-*")]) == 0

    data = prepared(capsys.readouterr().out)

    assert data.card["rows_in_log"] == 600
    assert [file["name"] for file in data.card["files"]] == ["part-1", "part-2"]


def test_fault_within_an_archive_has_the_name_of_the_archive_and_the_line(tmp_path, capsys):
    (tmp_path / "log").write_bytes(zipped({"log.csv": LOG + b"1600099999,a\n"}))

    assert main([str(tmp_path / "log")]) == 2
    assert f"{tmp_path / 'log'} line 302: the line has 2 values" in capsys.readouterr().err


def test_unpacked_copy_serves_until_the_file_changes(describe, prepared, tmp_path, copies):
    text, _ = describe(zipped({"log.csv": LOG}))
    first = prepared(text)
    (copy,) = copies.glob("*/[!.]*")
    kept = copy.stat().st_ino
    prepared(text)
    assert copy.stat().st_ino == kept

    (tmp_path / "log").write_bytes(zipped({"log.csv": lines_of(seed=2).encode()}))

    assert prepared(text).fingerprint != first.fingerprint
    assert [path.stat().st_ino for path in copies.glob("*/[!.]*")] != [kept]
    assert len(list(copies.glob("*/[!.]*"))) == 1


def test_rest_of_a_killed_process_goes(describe, tmp_path, copies):
    describe(zipped({"log.csv": LOG}))
    (copy,) = copies.glob("*/[!.]*")
    copy.unlink()
    (copy.parent / "part").mkdir()
    (copy.parent / "part" / "table").write_bytes(b"half")

    describe(zipped({"log.csv": LOG}))

    assert [path.read_bytes() for path in copies.glob("*/[!.]*")] == [LOG]


LINK = tarfile.TarInfo("log.csv")
LINK.type, LINK.linkname = tarfile.SYMTYPE, "/etc/hostname"


def linked():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(LINK)
    return stream.getvalue()


def encrypted():
    content = bytearray(zipped({"log.csv": LOG}))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1  # of the last entry in the directory
    return bytes(content)


DO_IT = "; nothing is unpacked: do it yourself if you trust the archive"
SEVERAL = ", where one can be read: a.csv, b.csv"
REFUSED = {
    "two": (zipped({"a.csv": LOG, "b.csv": LOG}), f"the archive holds 2 files{SEVERAL}; unpack"),
    "ten": (tarred({f"{letter}.csv": LOG for letter in "abcdefghij"}), "h.csv and 2 more; unpack"),
    "none": (zipped(NOISE), "the archive holds no file (names from . or _ on do not count)"),
    "empty": (zipped({}), "the archive holds no file"),
    "workbook": (zipped({"[Content_Types].xml": b"", "xl/a.xml": b""}), "this is a workbook of"),
    "link": (linked(), f"entry 'log.csv' is no plain file (a link, device or folder){DO_IT}"),
    "climbs": (tarred({"../../log.csv": LOG}), "entry '../../log.csv' leads out of the folder"),
    "absolute": (zipped({"/log.csv": LOG}), "entry '/log.csv' leads out of the folder"),
    "encrypted": (encrypted(), f"entry 'log.csv' is encrypted{DO_IT}"),
    "nested": (zipped({"a.zip": zipped(FILES)}), "this is a zip archive or an Excel workbook"),
    "nested tar": (zipped({"a.tgz": tarred(FILES, "w:gz")}), "this is a tar archive within gzip"),
    "cut zip": (zipped(FILES)[:-9], "cannot be unpacked (File is not a zip file); fetch it"),
    "cut tar": (tarred(FILES, "w:xz")[:-9], "cannot be unpacked (Compressed file ended before"),
    "without rows": (zipped({"log.csv": b""}), "the file has no line of text"),
}


@pytest.mark.parametrize(("content", "words"), REFUSED.values(), ids=REFUSED)
def test_archive_that_cannot_be_read_is_one_clear_line(refusal, copies, content, words):
    message = refusal(content)

    assert words in message
    assert not list(copies.glob("*/part*"))


@pytest.mark.parametrize("pack", [bz2.compress, lzma.compress, lambda log: zipped({"log": log})])
def test_size_of_the_copy_is_bounded(refusal, copies, monkeypatch, pack):
    monkeypatch.setattr(archives, "ALLOWANCE", 0)

    message = refusal(pack(LOG * 3_000))

    assert message == f"unpacks to more than 50 times its own size, unlike a log{DO_IT}"
    assert not list(copies.glob("*/[!.]*"))
