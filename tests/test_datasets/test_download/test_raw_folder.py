from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from datasets.files import locked
from datasets.provenance import Source

ROOT = Path(__file__).resolve().parents[3]
FILES = {"ml/u.data": b"1\t2\t3\n" * 1_000, "ml/u.user": b"7|23\n"}
FETCH = """
import json, sys
from pathlib import Path
from datasets.fetch import RawFolder
from datasets.provenance import Download, Source
keys = json.loads(sys.argv[1])
RawFolder(Source(description="", downloads=(Download(**keys),)), Path(sys.argv[2])).fetch()
"""


def zip_of(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in files.items():
            archive.writestr(name, part)
    return content.getvalue()


def states(folder):
    return {state.name: state.state for state in folder.states()}


@pytest.fixture
def source_of(server, download_of):
    """A source of one archive on the server."""

    def make(content=None, **changes):
        content = content or zip_of(FILES)
        keys = {"name": "ml.zip", "members": tuple(FILES)} | changes
        download = download_of(content, server.serve("/ml.zip", content), **keys)
        return Source(description="A log.", downloads=(download,))

    return make


def test_archive_is_fetched_and_unpacked_once(server, source_of, folder_of):
    folder = folder_of(source_of())
    assert states(folder) == {"u.data": "missing", "u.user": "missing"}

    folder.fetch()
    folder.fetch()

    assert states(folder) == {"u.data": "verified", "u.user": "verified"}
    assert (folder.root / "u.data").read_bytes() == FILES["ml/u.data"]
    assert len(server.requests) == 1
    assert sorted(path.name for path in folder.root.iterdir()) == [".download", "u.data", "u.user"]
    assert not list(folder.root.rglob("*.zip"))


def folder_with(folder_of, download):
    return folder_of(Source(description="A log.", downloads=(download,)))


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_single_file_is_fetched_once(server, content, download_of, folder_of, algorithm):
    digest = f"{algorithm}:{hashlib.new(algorithm, content).hexdigest().upper()}"
    download = download_of(content, server.serve("/log.csv", content), digest=digest)
    folder = folder_with(folder_of, download)

    folder.fetch()
    folder.fetch()

    assert states(folder) == {"log.csv": "verified"}
    assert (folder.root / "log.csv").read_bytes() == content
    assert len(server.requests) == 1


@pytest.mark.parametrize("how", [{"statuses": [503, 429]}, {"cuts": [9_000, 0]}])
def test_transfer_that_fails_is_tried_again(server, content, download_of, folder_of, how, pauses):
    url = server.serve("/log.csv", content, **how)
    folder = folder_with(folder_of, download_of(content, url))

    folder.fetch()

    assert (folder.root / "log.csv").read_bytes() == content
    assert (len(server.requests), pauses) == (3, [1, 2])


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"statuses": [404] * 9}, "404"),
        ({"cuts": [9_000] * 9}, "IncompleteRead"),
        ({"content": b"another"}, "does not match the known hash"),
    ],
)
def test_file_that_cannot_be_had_is_one_line(
    server, content, download_of, folder_of, how, words, pauses, refused
):
    url = server.serve("/log.csv", **({"content": content} | how))
    folder = folder_with(folder_of, download_of(content, url))

    message = refused(folder.fetch)

    assert message.startswith(f"log.csv cannot be fetched from {url} (")
    assert words in message
    assert "--from-file" in message
    assert [path.name for path in folder.root.rglob("*") if path.is_file()] == ["lock"]


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_fetch_leaves_nothing_that_looks_complete(
    server, content, download_of, folder_of, way
):
    url = server.serve("/log.csv", content, is_stalled=True)
    download = download_of(content, url)
    folder = folder_with(folder_of, download)
    keys = {"name": download.name, "url": url, "digest": download.digest}

    command = [sys.executable, "-c", FETCH, json.dumps(keys), str(folder.root)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not server.requests:
            time.sleep(0.01)
        process.send_signal(way)
    assert states(folder) == {"log.csv": "missing"}

    server.pages["/log.csv"].is_stalled = False
    folder.fetch()

    assert (folder.root / "log.csv").read_bytes() == content
    assert sorted(path.name for path in (folder.root / ".download").iterdir()) == ["lock"]


def test_bar_is_drawn_on_a_terminal(server, source_of, folder_of, monkeypatch):
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr("sys.stderr", terminal)

    folder_of(source_of()).fetch()

    assert "100%" in terminal.getvalue()


def test_damaged_or_lost_file_is_fetched_again(server, source_of, folder_of):
    folder = folder_of(source_of())
    folder.fetch()
    (folder.root / "u.data").write_bytes(FILES["ml/u.data"][::-1])
    (folder.root / "u.user").unlink()
    assert states(folder) == {"u.data": "differs", "u.user": "missing"}

    folder.fetch()

    assert states(folder) == {"u.data": "verified", "u.user": "verified"}
    assert len(server.requests) == 2


def test_new_release_of_an_archive_is_fetched(source_of, folder_of):
    folder_of(source_of()).fetch()
    folder = folder_of(source_of(zip_of({name: part + b"9\n" for name, part in FILES.items()})))
    assert states(folder) == {"u.data": "there", "u.user": "there"}

    folder.fetch()

    assert (folder.root / "u.user").read_bytes() == b"7|23\n9\n"


def test_archive_that_lacks_a_member_changes_nothing(source_of, folder_of, refused):
    folder = folder_of(source_of(members=(*FILES, "ml/u.item")))

    assert "the archive lacks ml/u.item" in refused(folder.fetch)

    assert set(states(folder).values()) == {"missing"}


def test_folder_in_the_place_of_a_file_is_named(source_of, folder_of, refused):
    folder = folder_of(source_of())
    (folder.root / "u.data").mkdir(parents=True)

    assert f"{folder.root / 'u.data'} is a folder" in refused(folder.fetch)

    assert states(folder) == {"u.data": "differs", "u.user": "missing"}


def test_folder_in_use_is_refused(server, source_of, folder_of):
    folder = folder_of(source_of())

    with (
        locked(folder.root / ".download" / "lock"),
        pytest.raises(BlockingIOError, match="another process"),
    ):
        folder.fetch()

    assert not server.requests


def test_archive_fetched_by_hand_is_taken_and_kept(server, source_of, folder_of, tmp_path):
    folder = folder_of(source_of())
    file = tmp_path / "ml (1)"
    file.write_bytes(zip_of(FILES))

    folder.take(file)

    assert states(folder) == {"u.data": "verified", "u.user": "verified"}
    assert file.exists()
    assert not server.requests


@pytest.mark.parametrize("name", ["ml.zip", "other.zip"])
def test_wrong_file_fetched_by_hand_is_refused(source_of, folder_of, tmp_path, name, refused):
    folder = folder_of(source_of())
    (tmp_path / name).write_bytes(zip_of(FILES)[:-1])

    assert "not the file that is expected" in refused(folder.take, tmp_path / name)

    assert set(states(folder).values()) == {"missing"}


@pytest.mark.parametrize("name", ["train.txt", "train.txt.gz", "any.zip"])
def test_login_only_file_is_taken_packed_or_not(folder_of, tmp_path, name):
    folder = folder_of(Source(description="A log.", files=("train.txt", "b.txt")))
    extra = {"__MACOSX/._train.txt": b"x", "day 1/train.txt": b"1 2 3\n"}
    (tmp_path / name).write_bytes(zip_of(extra) if name == "any.zip" else b"1 2 3\n")

    folder.take(tmp_path / name)

    assert states(folder) == {"train.txt": "there", "b.txt": "missing"}
    placed = "train.txt.gz" if name == "train.txt.gz" else "train.txt"
    assert (folder.root / placed).read_bytes() == b"1 2 3\n"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.zip", zip_of({"test.txt": b"1 2 3\n"}), "the archive holds none of train.txt"),
        ("a.zip", b"<html>", "cannot be unpacked"),
        ("test.txt", b"1 2 3\n", "expected are train.txt"),
        ("a.rar", b"1 2 3\n", "expected are train.txt"),
    ],
)
def test_wrong_login_only_file_is_refused(folder_of, tmp_path, name, content, words, refused):
    folder = folder_of(Source(description="A log.", files=("train.txt",)))
    (tmp_path / name).write_bytes(content)

    assert words in refused(folder.take, tmp_path / name)

    assert states(folder) == {"train.txt": "missing"}


def test_file_that_does_not_exist_is_named(source_of, folder_of, tmp_path, refused):
    assert "no such file" in refused(folder_of(source_of()).take, tmp_path / "none.zip")
