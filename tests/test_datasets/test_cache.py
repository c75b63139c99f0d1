from __future__ import annotations

import json
import logging
import multiprocessing
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for

import numpy as np
import polars as pl
import pytest

from datasets.catalog import custom
from datasets.encoding import encode
from datasets.encoding.fitted import FILES
from datasets.files import locked
from datasets.prepare import prepare
from datasets.spec import PrepareOptions


def prepare_in_process(toml, folder, barrier, results):
    barrier.wait()
    data = prepare(custom.read_spec(toml), None, folder, PrepareOptions())
    results.put((data.fingerprint, data.rows().tobytes(), os.getpid()))


@pytest.fixture
def count_builds(monkeypatch):
    calls = []
    original = encode.encode_log

    def counted(*args):
        calls.append(1)
        return original(*args)

    monkeypatch.setattr("datasets.prepare.encode_log", counted)
    return calls


def test_second_preparation_reads_the_cache(prepare_log, tiny, count_builds):
    first = prepare_log(tiny)

    second = prepare_log(tiny)

    assert len(count_builds) == 1
    assert second == first
    assert np.array_equal(second.rows(), first.rows())


@pytest.mark.parametrize("name", ["rows.npy", "frequencies.npy", "domains.parquet", "meta.json"])
@pytest.mark.parametrize("damage", ["truncated", "edited", "deleted"])
def test_damaged_cache_is_built_again(prepare_log, tiny, caplog, name, damage):
    first = prepare_log(tiny)
    path, expected = first.directory / name, first.rows().tobytes()
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[:-9])
    elif damage == "edited":
        path.write_bytes(content[:-9] + b"x" * 9)

    with caplog.at_level(logging.WARNING):
        second = prepare_log(tiny)

    assert second.rows().tobytes() == expected
    assert path.read_bytes() == content
    assert len(caplog.records) == 1
    assert "is built again" in caplog.text


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"features": ["site"]},
        {"features": ["site", {"name": "item", "min_count": 2}]},
        {"partition": ["item"]},
        {"timestamp": None},
        {"cluster": "item"},
        {"item": "item"},
        {"options": PrepareOptions(max_train_rows=20)},
    ],
)
def test_fingerprint_changes_with_what_changes_the_rows(prepare_log, tiny, changes):
    assert prepare_log(tiny).fingerprint != prepare_log(tiny, **changes).fingerprint


def test_prior_columns_change_no_prepared_byte(prepare_log, tiny, count_builds):
    first = prepare_log(tiny)

    second = prepare_log(tiny, prior=["item"])

    assert second.spec.prior == ("item",)
    assert second.fingerprint == first.fingerprint
    assert len(count_builds) == 1


def test_renamed_raw_file_is_the_same_log(prepare_log, tiny, count_builds):
    first = prepare_log(tiny)

    second = prepare_log(tiny, file="other.csv", files="other.csv", source="renamed")

    assert second.fingerprint == first.fingerprint
    assert len(count_builds) == 1
    assert [file["name"] for file in second.card["files"]] == ["other.csv"]
    assert second.card["source"] == "renamed"


def test_changed_raw_file_is_prepared_anew(prepare_log, tiny):
    first = prepare_log(tiny)

    second = prepare_log(tiny.head(54))

    assert second.fingerprint != first.fingerprint
    assert len(second.rows()) == 54


def test_preparation_version_is_part_of_the_fingerprint(prepare_log, tiny, monkeypatch):
    first = prepare_log(tiny)

    monkeypatch.setattr("datasets.prepare.PREPARATION_VERSION", 999)

    assert prepare_log(tiny).fingerprint != first.fingerprint


def test_only_the_prepared_files_remain(prepare_log, tiny):
    data = prepare_log(tiny)

    names = {path.name for path in data.directory.iterdir()}
    arrays = {"rows.npy", "row_id.npy", "block.npy", "frequencies.npy"}
    assert names == {*arrays, *FILES, "domains.parquet", "meta.json"}
    visible = [path for path in data.directory.parent.iterdir() if path.name[0] != "."]
    assert visible == [data.directory]
    digests = json.loads((data.directory / "meta.json").read_text())["content"]["digests"]
    assert set(digests) == names - {"meta.json"}


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failed_build_leaves_nothing_behind(prepare_log, tiny, tmp_path, monkeypatch, error):
    def fail(*args):
        raise error

    monkeypatch.setattr("datasets.encoding.encode.write_row_major", fail)
    with pytest.raises(type(error)):
        prepare_log(tiny)

    assert [path for path in (tmp_path / "cache").iterdir() if path.is_dir()] == []


def test_full_disk_while_staging_is_an_os_error(prepare_log, tiny, monkeypatch):
    def fail(*args, **kwargs):
        raise pl.exceptions.ComputeError("parquet: No space left on device (os error 28)")

    monkeypatch.setattr(pl.LazyFrame, "sink_parquet", fail)

    with pytest.raises(OSError, match="No space left on device"):
        prepare_log(tiny)


def test_edited_metadata_is_found(prepare_log, tiny):
    first = prepare_log(tiny)
    path = first.directory / "meta.json"
    path.write_text(path.read_text().replace('"rows_in_log": 60', '"rows_in_log": 61'))

    assert prepare_log(tiny).card["rows_in_log"] == 60


def test_leftover_of_a_killed_process_is_removed(prepare_log, tiny):
    data = prepare_log(tiny)
    leftover = data.directory.parent / f".{data.fingerprint}.1.partial"
    leftover.mkdir()
    (leftover / "rows.npy").write_bytes(b"half")
    shutil.rmtree(data.directory)

    again = prepare_log(tiny)

    assert not leftover.exists()
    assert len(again.rows()) == 60


def test_leftovers_of_other_logs_are_removed_unless_in_use(prepare_log, tiny, tmp_path):
    abandoned, in_use = (tmp_path / "cache" / f".{name}.1.partial" for name in ("old", "busy"))
    abandoned.mkdir(parents=True)
    in_use.mkdir()
    (abandoned / "rows.npy").write_bytes(b"half")

    with locked(tmp_path / "cache" / ".busy.lock"):
        prepare_log(tiny)

    assert not abandoned.exists()
    assert in_use.exists()


def test_waiting_for_another_process_is_said(tmp_path, caplog):
    path = tmp_path / ".abc.lock"

    def wait():
        with locked(path, waiting="waiting for another"):
            pass

    with ThreadPoolExecutor(1) as pool, locked(path):
        waiting = pool.submit(wait)
        assert not wait_for([waiting], timeout=0.2).done
    waiting.result(timeout=10)

    assert caplog.messages == ["waiting for another"]


def test_unwritable_cache_is_an_os_error(prepare_log, tiny, tmp_path):
    (tmp_path / "cache").write_text("a file")

    with pytest.raises(OSError, match="cache"):
        prepare_log(tiny)


def test_processes_that_prepare_at_once_share_one_folder(tiny, tmp_path, write_toml):
    tiny.write_csv(tmp_path / "log.csv")
    context = multiprocessing.get_context("spawn")
    barrier, results = context.Barrier(3), context.Queue()
    arguments = (write_toml(), tmp_path / "cache", barrier, results)
    workers = [context.Process(target=prepare_in_process, args=arguments) for _ in range(3)]

    for worker in workers:
        worker.start()
    found = [results.get(timeout=50) for _ in workers]
    for worker in workers:
        worker.join()

    assert len({(fingerprint, rows) for fingerprint, rows, _ in found}) == 1
    assert len([path for path in (tmp_path / "cache").iterdir() if path.is_dir()]) == 1
