"""What a driver and a node of a Ray cluster tell each other, without Ray."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmark.running import ray_executor
from benchmark.running.ray_executor import log_folder, run_here, send, write_files
from benchmark.tasks import Compute
from datasets import catalog
from datasets.encoding.cache import META_NAME
from datasets.prepare import prepare
from datasets.spec import PrepareOptions


@dataclass(frozen=True, kw_only=True)
class RowCount:
    """A task that writes how many numbers its log has."""

    data: object
    out: Path
    compute: Compute = Compute()
    title = "count"

    def run(self):
        (self.out / "deep").mkdir()
        (self.out / "deep" / "count.json").write_text(str(self.data.rows().size))


@pytest.fixture(autouse=True)
def node(tmp_path, monkeypatch):
    """The temporary folder of a node that runs in this process."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def log(tiny_log, tmp_path):
    """The small log, prepared."""
    return prepare(catalog.load(str(tiny_log)), None, tmp_path / "cache", PrepareOptions())


@pytest.fixture
def elsewhere(log, tmp_path):
    """The log of `log` as it looks on a node that does not share the disk of the driver."""
    return replace(log, directory=tmp_path / "not there")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def sent(log, monkeypatch):
    """The message of a log whose files are in a list."""
    store = []
    monkeypatch.setattr(ray_executor, "fetch", lambda number: memoryview(store[number]))
    return send(log, lambda content: store.append(content) or len(store) - 1)


def test_log_that_is_sent_equals_the_original_and_is_sent_once(log, elsewhere, sent, monkeypatch):
    folder = log_folder(elsewhere, sent)
    monkeypatch.setattr(ray_executor, "fetch", None)

    again = log_folder(elsewhere, sent)

    assert folder == again
    assert contents(folder) == contents(log.directory)


def test_log_on_a_shared_disk_is_used_where_it_is(log, sent, monkeypatch):
    monkeypatch.setattr(ray_executor, "fetch", None)

    assert log_folder(log, sent) == log.directory


def test_log_of_the_same_name_but_other_content_is_not_used(elsewhere, sent):
    elsewhere.directory.mkdir()
    (elsewhere.directory / META_NAME).write_text("{}")

    assert log_folder(elsewhere, sent) != elsewhere.directory


def test_damaged_copy_is_sent_again(log, elsewhere, sent):
    folder = log_folder(elsewhere, sent)
    (folder / "rows.npy").write_bytes(b"cut")

    log_folder(elsewhere, sent)

    assert contents(folder) == contents(log.directory)


def test_file_that_changed_under_the_driver_is_refused(elsewhere, sent, node):
    other = {name: number for number, name in enumerate(reversed(sent.files))}

    with pytest.raises(OSError, match="changed since the log was prepared"):
        log_folder(elsewhere, replace(sent, files=other))

    assert not list(node.glob("multi-domain-ctr-*/[!.]*"))


def test_files_come_back_and_nothing_stays_on_the_node(log, node, sent):
    task = RowCount(data=log, out=node / "driver")

    outcome, files = run_here(task, sent, RowCount.run)

    assert (outcome.error, files) == ("", {"deep/count.json": b"%d" % log.rows().size})
    assert not (node / "driver").exists()


def test_results_are_written_marks_last_and_end_an_old_error(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(ray_executor, "write_whole", lambda path, write: written.append(path.name))
    (tmp_path / "run").mkdir()
    for name in ("error.json", "record.json"):
        (tmp_path / "run" / name).write_text("{}")

    write_files(tmp_path, {"run/record.json": b"{}", "run/a.csv": b"1", "run/z.npz": b"2"})

    assert written == ["a.csv", "z.npz", "record.json"]
    assert not list((tmp_path / "run").iterdir())  # neither the old error nor the old mark
