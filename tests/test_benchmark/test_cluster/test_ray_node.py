"""What a driver and a node of a Ray cluster tell each other, without Ray."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from benchmark.running.ray_node import log_folder, node_folder, run_here
from benchmark.running.ray_transfer import LogSender, plugin_contents, write_files
from datasets import catalog
from datasets.encoding.cache import META_NAME
from datasets.encoding.options import PrepareOptions
from datasets.prepare import prepare
from models.registry import PLUGINS_VARIABLE, use_plugins

PLUGIN = "from models.methods.plain import METHOD  # noqa: F401\n"


@dataclass(frozen=True, kw_only=True)
class RowCount:
    """A task that writes how many numbers its log has."""

    data: object
    out: Path
    title = "count"

    def run(self):
        (self.out / "deep").mkdir()
        (self.out / "deep" / "count.json").write_text(str(self.data.rows().size))


@pytest.fixture
def node(tmp_path, monkeypatch):
    """The temporary folder of a node that runs in this process."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("benchmark.running.ray_node._opened", {})
    monkeypatch.setenv(PLUGINS_VARIABLE, "")
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


def sent(log):
    """The message of a log whose blocks are in a list, and how to fetch them."""
    store = []
    sender = LogSender(lambda block: store.append(block.copy()) or len(store) - 1)
    sender.send(log)
    return sender.message(log), lambda number: memoryview(store[number])


def no_fetch(_):
    raise AssertionError("nothing is to be fetched")


def test_log_that_is_sent_equals_the_original_and_is_sent_once(log, elsewhere, node, monkeypatch):
    monkeypatch.setattr("benchmark.running.ray_transfer.BLOCK_BYTES", 1_000)
    message, fetch = sent(log)

    folder = log_folder(elsewhere, message, fetch)
    again = log_folder(elsewhere, message, no_fetch)

    assert len(message.blocks["rows.npy"]) > 3
    assert folder == again
    assert folder.is_relative_to(node_folder())
    assert contents(folder) == contents(log.directory)


def test_log_on_a_shared_disk_is_used_where_it_is(log, node):
    message = LogSender(no_fetch).message(log)

    assert log_folder(log, message, no_fetch) == log.directory


def test_log_of_the_same_name_but_other_content_is_not_used(log, elsewhere, node, tmp_path):
    message, fetch = sent(log)
    elsewhere.directory.mkdir()
    (elsewhere.directory / META_NAME).write_text("{}")

    assert log_folder(elsewhere, message, fetch) != elsewhere.directory


def test_damaged_copy_is_sent_again(log, elsewhere, node, monkeypatch):
    message, fetch = sent(log)
    folder = log_folder(elsewhere, message, fetch)
    (folder / "rows.npy").write_bytes(b"cut")
    monkeypatch.setattr("benchmark.running.ray_node._opened", {})  # as a new process finds it

    log_folder(elsewhere, message, fetch)

    assert contents(folder) == contents(log.directory)


def test_file_that_changed_under_the_driver_is_refused(log, elsewhere, node):
    message, fetch = sent(log)
    rows = message.blocks["rows.npy"]

    with pytest.raises(OSError, match="changed since the log was prepared"):
        log_folder(elsewhere, replace(message, blocks={"rows.npy": [*rows, *rows]}), fetch)

    assert not list((node_folder() / "logs").glob("[!.]*"))


def test_node_without_the_log_asks_for_it_and_runs_nothing(elsewhere, log, node):
    task = RowCount(data=elsewhere, out=node)

    report = run_here(task, LogSender(no_fetch).message(log), {}, RowCount.run, no_fetch)

    assert report.lacks_log
    assert not report.files


def test_files_come_back_and_plugins_of_the_driver_are_those_of_the_node(log, node, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    use_plugins([tmp_path / "mine.py"])
    sent_plugins = plugin_contents()
    task = RowCount(data=log, out=node / "driver")

    report = run_here(task, LogSender(no_fetch).message(log), sent_plugins, RowCount.run, no_fetch)

    path = Path(json.loads(os.environ[PLUGINS_VARIABLE])["methods"]["mine"])
    assert (report.error, report.files) == ("", {"deep/count.json": b"%d" % log.rows().size})
    assert not (node / "driver").exists()
    assert path.is_relative_to(node_folder())
    assert (path.stem, path.read_text()) == ("mine", PLUGIN)


def test_folder_of_another_user_is_refused(node, monkeypatch):
    other = os.getuid() + 1
    (node / f"multi-domain-ctr-{other}").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: other)

    with pytest.raises(PermissionError, match="belongs to another user"):
        node_folder()


def test_results_are_written_marks_last_and_end_an_old_error(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        "benchmark.running.ray_transfer.write_whole", lambda path, write: written.append(path.name)
    )
    (tmp_path / "run").mkdir()
    for name in ("error.json", "record.json"):
        (tmp_path / "run" / name).write_text("{}")

    write_files(tmp_path, {"run/record.json": b"{}", "run/a.csv": b"1", "run/z.npz": b"2"})

    assert written == ["a.csv", "z.npz", "record.json"]
    assert not list((tmp_path / "run").iterdir())  # neither the old error nor the old mark
