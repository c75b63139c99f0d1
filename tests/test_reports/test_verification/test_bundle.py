"""A bundle is whole, the same for the same store, and what `verify` accepts."""

from __future__ import annotations

import os
import shutil
import zipfile
from typing import TYPE_CHECKING

import pytest

from benchmark.store.files import sole_writer
from reports import verify
from reports.analysis_plan import digest
from reports.bundle import main

if TYPE_CHECKING:
    from conftest import Store

COPIES = ("mlflow.db", "mlartifacts/1/model", "optuna/world.journal", "data/.lock", "bundle.zip")


def test_bundle_is_accepted_by_verify(reported: Store, capsys) -> None:
    code = main([str(reported.out)])
    of_folder = capsys.readouterr().out.splitlines()

    assert code == 0
    assert verify.main([str(reported.out / "bundle.zip")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] in of_folder


def test_bundle_has_the_evidence_and_no_copies(store: Store) -> None:
    for name in COPIES[:-1]:
        path = store.out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("copy")
    (store.out / "data" / ".lock").unlink()
    main([str(store.out)])

    with zipfile.ZipFile(store.out / "bundle.zip") as archive:
        names = archive.namelist()

    run = store.name(store.run(method="adasparse"))
    files = ("record.json", "history.csv", "predictions.parquet", "domains.parquet", "masks.npz")
    expected = {f"{run}/{name}" for name in files} | {
        "README.txt", "LICENSE", "CITATION.cff", "requirements.lock", "plan.json",
        "studies/main.json", f"{store.name(store.tuning())}/best.json",
        f"data/{'f' * 16}/truth.parquet",
    }  # fmt: skip
    assert expected <= set(names)
    assert names[0] == "README.txt"
    assert names[1:] == sorted(names[1:])
    assert not set(names) & {*COPIES, ".lock", ".report.lock"}


def test_bundle_has_the_kept_analysis_plan_and_names_that_of_the_report(store: Store) -> None:
    (store.out / "analysis_plan.toml").write_text("version = 0\n")
    main([str(store.out)])

    with zipfile.ZipFile(store.out / "bundle.zip") as archive:
        assert archive.read("analysis_plan.toml") == b"version = 0\n"
        assert f"analysis plan {digest()[:12]}" in archive.read("README.txt").decode()


def test_bundle_is_the_same_for_a_copy_of_the_store(store: Store) -> None:
    copy = store.out.with_name("copy")
    shutil.copytree(store.out, copy)
    os.utime(copy / "plan.json", (0, 0))
    (copy / "plan.json").chmod(0o600)
    main([str(store.out), "--output", str(store.out.with_name("a.zip"))])
    main([str(copy), "--output", str(store.out.with_name("b.zip"))])

    first, second = (store.out.with_name(name).read_bytes() for name in ("a.zip", "b.zip"))
    assert first == second


def test_bundle_is_refused_when_something_differs(store: Store, capsys) -> None:
    path = store.run() / "history.csv"
    path.write_text(path.read_text() + "\n")

    code = main([str(store.out)])

    lines = capsys.readouterr().out.splitlines()
    assert code == 1
    assert store.name(path) in lines[0]
    assert lines[-1].startswith("no bundle was written")
    assert not list(store.out.glob("*bundle*"))


def test_bundle_leaves_nothing_when_it_cannot_be_written(store: Store, monkeypatch) -> None:
    target = store.out.with_name("whole.zip")
    target.write_bytes(b"former")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr("shutil.copyfileobj", full)

    assert main([str(store.out), "--output", str(target)]) == 2
    assert target.read_bytes() == b"former"
    assert not list(target.parent.glob(".whole*"))


def test_bundle_waits_for_no_other_writer(store: Store, capsys) -> None:
    with sole_writer(store.out):
        code = main([str(store.out)])

    assert code == 2
    assert "another run is writing here" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["absent", "empty"])
def test_bundle_of_what_is_no_store_is_one_line(store: Store, name: str, capsys) -> None:
    (store.out / "empty").mkdir()

    assert main([str(store.out / name)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
