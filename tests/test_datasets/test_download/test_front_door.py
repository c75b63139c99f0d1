"""`run_all.py --download`: fetch what may be fetched, refuse the rest before anything else."""

import tarfile
from dataclasses import replace
from pathlib import PurePosixPath

import pytest

import run_all as front
from datasets import catalog
from datasets.catalog import movielens
from datasets.command_line import OK
from datasets.fetch import names_of


@pytest.fixture
def served(server, write_raw, tmp_path, monkeypatch, download_of):
    """The address of an archive with a small MovieLens; the folder of raw files is empty."""
    [real] = movielens.SPEC.source.downloads
    raw = write_raw("movielens")
    archive = tmp_path / "small.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for member in real.members:
            tar.add(raw / PurePosixPath(member).name, member)
            (raw / PurePosixPath(member).name).unlink()
    content = archive.read_bytes()
    url = server.serve("/small.tar.gz", content)
    download = download_of(content, url, name="small.tar.gz", members=real.members)
    source = replace(movielens.SPEC.source, downloads=(download,))
    monkeypatch.setattr(movielens, "SPEC", replace(movielens.SPEC, source=source))
    monkeypatch.setattr(catalog, "RAW_DIR", tmp_path / "data")
    monkeypatch.setattr(catalog, "PREPARED_DIR", tmp_path / "prepared")
    return download


@pytest.fixture
def _only_prepares(monkeypatch):
    """A run ends when its logs are prepared."""

    def run(args, store):
        front.prepare_logs(front.selection_of(args), args.data_dir)
        return OK

    monkeypatch.setattr(front, "run", run)


@pytest.mark.usefixtures("_only_prepares")
def test_a_log_is_fetched_checked_and_run(front_door, served, server, tmp_path):
    words = ("--data", "movielens/age", "--preset", "smoke", "--download", "--out", tmp_path / "o")

    first = front_door(*words)
    again = front_door(*words)

    assert first.returncode == 0, first.stderr
    assert "licence: GroupLens terms" in first.stdout
    assert f"fetching into {tmp_path}/data/movielens" in first.stdout
    assert all(f"  {name}: verified" in first.stdout for name in names_of(served))
    assert "preparing movielens/age" in first.stdout
    assert again.stdout.startswith("preparing movielens/age")
    assert server.requests == ["/small.tar.gz"]


@pytest.mark.usefixtures("served", "_only_prepares")
def test_a_log_that_may_not_be_fetched_is_refused_before_any_is(front_door, server, tmp_path):
    out = tmp_path / "o"

    done = front_door("--data", "movielens", "iaac", "--download", "--out", out)

    assert done.returncode == 2
    assert "iaac may not be fetched openly: ask for it at https://tianchi" in done.stderr
    assert "python -m datasets.download iaac" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert server.requests == []
    assert not out.exists()


@pytest.mark.usefixtures("_only_prepares", "pauses")
def test_a_transfer_that_fails_is_one_line(front_door, served, server, tmp_path):
    server.pages.clear()

    done = front_door("--data", "movielens", "--download", "--out", tmp_path / "o")

    assert done.returncode == 2
    assert served.url in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.usefixtures("_only_prepares")
def test_a_log_that_needs_no_files_needs_no_transfer(front_door, tiny_log, tmp_path):
    done = front_door("--data", tiny_log, "--download", "--out", tmp_path / "o")

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"preparing {tiny_log}")


@pytest.mark.parametrize("other", [["--dry-run"], ["--data-dir", "elsewhere"]])
def test_flags_that_contradict_a_download_are_refused(front_door, other):
    done = front_door("--data", "movielens", "--download", *other)

    assert done.returncode == 2
    assert "--download fetches into the default folder" in done.stderr
