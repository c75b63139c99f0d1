from __future__ import annotations

import fcntl
import hashlib
import io
import tarfile
import zipfile

import pytest

from datasets.fetch.transfer import Patience
from datasets.provenance import RawFile, Source
from datasets.spec import DataError

HASTE = Patience(timeout_seconds=5, attempts=3, pause_seconds=0)
FILES = {"ml/u.data": b"1\t2\t3\n" * 1_000, "ml/u.user": b"7|23\n"}


def zip_of(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, part in files.items():
            archive.writestr(name, part)
    return content.getvalue()


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def states(folder):
    return {state.name: state.state for state in folder.states()}


@pytest.fixture
def source_of(server, download_of):
    """A source of one archive on the server; the files that it names are optional."""

    def make(files=(), content=None, **changes):
        content = content or zip_of(FILES)
        keys = {"name": "ml.zip", "members": tuple(FILES)} | changes
        download = download_of(content, server.serve("/ml.zip", content), **keys)
        return Source(description="A log.", files=tuple(files), downloads=(download,))

    return make


def refusal_of(action, *arguments):
    with pytest.raises(DataError) as caught:
        action(*arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_archive_is_fetched_and_unpacked_once(server, source_of, folder_of):
    folder = folder_of(source_of())
    assert states(folder) == {"u.data": "missing", "u.user": "missing"}

    folder.fetch(HASTE)
    folder.fetch(HASTE)

    assert states(folder) == {"u.data": "verified", "u.user": "verified"}
    assert (folder.root / "u.data").read_bytes() == FILES["ml/u.data"]
    assert len(server.requests) == 1
    assert sorted(path.name for path in folder.root.iterdir()) == [".download", "u.data", "u.user"]
    assert not list(folder.root.rglob("*.zip"))


@pytest.mark.parametrize("text", ["{bad", "[]"])
def test_damaged_receipts_are_fetched_anew(server, source_of, folder_of, text):
    folder = folder_of(source_of())
    folder.fetch(HASTE)
    (folder.root / ".download" / "receipts.json").write_text(text)

    again = folder_of(source_of())
    again.fetch(HASTE)

    assert states(again) == {"u.data": "verified", "u.user": "verified"}
    assert len(server.requests) == 2


def test_tar_is_fetched_and_unpacked(source_of, folder_of):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, part in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(part)
            archive.addfile(entry, io.BytesIO(part))
    folder = folder_of(source_of(name="ml.tar.gz", content=content.getvalue()))

    folder.fetch(HASTE)

    assert (folder.root / "u.user").read_bytes() == FILES["ml/u.user"]


def test_single_file_is_fetched_once(server, content, download_of, folder_of):
    url = server.serve("/log.csv", content)
    folder = folder_of(Source(description="A log.", downloads=(download_of(content, url),)))

    folder.fetch(HASTE)
    folder.fetch(HASTE)

    assert states(folder) == {"log.csv": "verified"}
    assert (folder.root / "log.csv").read_bytes() == content
    assert len(server.requests) == 1


def test_file_with_a_known_digest_needs_no_receipt(server, source_of, folder_of):
    files = [RawFile(name=name[3:], sha256=sha256(part)) for name, part in FILES.items()]
    folder = folder_of(source_of(files))
    folder.root.mkdir()
    for name, part in FILES.items():
        (folder.root / name[3:]).write_bytes(part)

    folder.fetch(HASTE)

    assert states(folder) == {"u.data": "verified", "u.user": "verified"}
    assert not server.requests


def test_damaged_or_lost_file_is_fetched_again(server, source_of, folder_of):
    folder = folder_of(source_of())
    folder.fetch(HASTE)
    (folder.root / "u.data").write_bytes(FILES["ml/u.data"][::-1])
    (folder.root / "u.user").unlink()
    assert states(folder) == {"u.data": "differs", "u.user": "missing"}

    folder.fetch(HASTE)

    assert states(folder) == {"u.data": "verified", "u.user": "verified"}
    assert len(server.requests) == 2


def test_new_release_of_an_archive_is_fetched(server, source_of, folder_of):
    folder_of(source_of()).fetch(HASTE)
    renewed = {name: part + b"9\n" for name, part in FILES.items()}
    folder = folder_of(source_of(content=zip_of(renewed)))
    assert states(folder) == {"u.data": "there", "u.user": "there"}

    folder.fetch(HASTE)

    assert (folder.root / "u.user").read_bytes() == b"7|23\n9\n"


def test_archive_of_a_killed_process_is_unpacked_without_a_request(server, source_of, folder_of):
    folder = folder_of(source_of())
    (folder.root / ".download" / "staged").mkdir(parents=True)
    (folder.root / ".download" / "staged" / "u.data").write_bytes(b"half")
    (folder.root / ".download" / "ml.zip").write_bytes(zip_of(FILES))

    folder.fetch(HASTE)

    assert states(folder) == {"u.data": "verified", "u.user": "verified"}
    assert not server.requests


def test_archive_that_lacks_a_member_changes_nothing(source_of, folder_of):
    folder = folder_of(source_of(members=(*FILES, "ml/u.item")))

    message = refusal_of(folder.fetch, HASTE)

    assert "the archive lacks ml/u.item" in message
    assert set(states(folder).values()) == {"missing"}


@pytest.mark.parametrize("known", [{"size": 7}, {"sha256": "0" * 64}])
def test_member_that_is_not_what_is_expected_changes_nothing(source_of, folder_of, known):
    folder = folder_of(source_of([RawFile(name="u.user", **known)]))

    message = refusal_of(folder.fetch, HASTE)

    assert "its u.user has" in message
    assert set(states(folder).values()) == {"missing"}
    assert not list(folder.root.rglob("staged"))


def test_folder_in_the_place_of_a_file_is_named(source_of, folder_of):
    folder = folder_of(source_of())
    (folder.root / "u.data").mkdir(parents=True)

    message = refusal_of(folder.fetch, HASTE)

    assert f"{folder.root / 'u.data'} is a folder" in message
    assert states(folder) == {"u.data": "differs", "u.user": "missing"}


def test_folder_in_use_is_refused(server, source_of, folder_of):
    folder = folder_of(source_of())
    (folder.root / ".download").mkdir(parents=True)
    with (folder.root / ".download" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert "another process" in refusal_of(folder.fetch, HASTE)
    assert not server.requests


def test_archive_fetched_by_hand_is_taken_and_kept(server, source_of, folder_of, tmp_path):
    folder = folder_of(source_of())
    file = tmp_path / "ml (1).zip"
    file.write_bytes(zip_of(FILES))

    folder.take(file)

    assert states(folder) == {"u.data": "verified", "u.user": "verified"}
    assert file.exists()
    assert not server.requests


@pytest.mark.parametrize("name", ["ml.zip", "u.data", "other.zip"])
def test_wrong_file_fetched_by_hand_is_refused(source_of, folder_of, tmp_path, name):
    folder = folder_of(source_of([RawFile(name="u.data", size=6_000)]))
    file = tmp_path / name
    file.write_bytes(zip_of(FILES)[:-1])

    message = refusal_of(folder.take, file)

    assert "bytes, expected" in message
    assert set(states(folder).values()) == {"missing"}


def test_single_file_fetched_by_hand_is_copied(content, download_of, folder_of, tmp_path):
    url = "http://127.0.0.1:9/log.csv"
    folder = folder_of(Source(description="A log.", downloads=(download_of(content, url),)))
    (tmp_path / "renamed.csv").write_bytes(content)

    folder.take(tmp_path / "renamed.csv")

    assert (folder.root / "log.csv").read_bytes() == content
    assert (tmp_path / "renamed.csv").exists()


@pytest.mark.parametrize("packed", [True, False])
def test_login_only_file_is_taken_packed_or_not(folder_of, tmp_path, packed):
    known = [RawFile(name="train.txt", size=6, sha256=sha256(b"1 2 3\n")), RawFile(name="b.txt")]
    folder = folder_of(Source(description="A log.", files=tuple(known)))
    file = tmp_path / ("any.zip" if packed else "train.txt")
    extra = {"__MACOSX/._train.txt": b"x", "day 1/train.txt": b"1 2 3\n"}
    file.write_bytes(zip_of(extra) if packed else b"1 2 3\n")

    folder.take(file)

    assert states(folder) == {"train.txt": "verified", "b.txt": "missing"}


def test_compressed_copy_of_a_file_is_placed_as_it_is(folder_of, tmp_path):
    folder = folder_of(Source(description="A log.", files=(RawFile(name="train.txt", size=6),)))
    (tmp_path / "train.txt.gz").write_bytes(b"compressed")

    folder.take(tmp_path / "train.txt.gz")

    assert (folder.root / "train.txt.gz").read_bytes() == b"compressed"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("train.txt", b"1 2\n", "its train.txt has 4 bytes, expected 6"),
        ("train.txt", b"3 2 1\n", "its train.txt has the SHA-256"),
        ("a.zip", zip_of({"train.txt": b"3 2 1\n"}), "its train.txt has the SHA-256"),
        ("a.zip", zip_of({"test.txt": b"1 2 3\n"}), "the archive holds none of train.txt"),
        ("a.zip", b"<html>", "cannot be unpacked"),
        ("test.txt", b"1 2 3\n", "expected are train.txt"),
        ("a.rar", b"1 2 3\n", "expected are train.txt"),
    ],
)
def test_wrong_login_only_file_is_refused(folder_of, tmp_path, name, content, words):
    known = RawFile(name="train.txt", size=6, sha256=sha256(b"1 2 3\n"))
    folder = folder_of(Source(description="A log.", files=(known,)))
    (tmp_path / name).write_bytes(content)

    assert words in refusal_of(folder.take, tmp_path / name)
    assert states(folder) == {"train.txt": "missing"}


def test_file_that_does_not_exist_is_named(source_of, folder_of, tmp_path):
    assert "no such file" in refusal_of(folder_of(source_of()).take, tmp_path / "none.zip")


@pytest.mark.parametrize(
    ("known", "state"),
    [
        ({}, "there"),
        ({"size": 6}, "there"),
        ({"size": 7}, "differs"),
        ({"sha256": sha256(b"1 2 3\n")}, "verified"),
        ({"sha256": sha256(b"1 2 4\n")}, "differs"),
    ],
)
def test_state_follows_from_what_is_known(folder_of, known, state):
    folder = folder_of(Source(description="", files=(RawFile(name="a.txt", **known),)))
    folder.root.mkdir()
    (folder.root / "a.txt").write_bytes(b"1 2 3\n")

    assert states(folder) == {"a.txt": state}
