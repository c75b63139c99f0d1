"""`python -m models.predict`: from a file of the log to one column of probabilities."""

import gzip
import subprocess
import sys

import polars as pl
import pytest

from models.predict import main
from tests.conftest import ROOT


@pytest.fixture
def saved(make_saved, tmp_path):
    """A saved model and its folder."""
    model = make_saved()
    model.write(tmp_path / "model")
    return model, tmp_path / "model"


@pytest.fixture
def log(raw_rows, tmp_path):
    """A file of the log."""
    raw_rows.write_csv(tmp_path / "log.csv", separator=";")
    return tmp_path / "log.csv"


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr("datasets.encoding.fitted.BLOCK_ROWS", 7)


def test_a_file_is_scored_in_a_process_of_its_own(saved, log, raw_rows, tmp_path):
    model, folder = saved

    done = subprocess.run(
        [sys.executable, "-m", "models.predict", folder, log],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )

    assert (done.returncode, done.stderr) == (0, "")
    head, *values = done.stdout.splitlines()
    assert head == "p_ctr"
    assert [float(value) for value in values] == pytest.approx(model.predict_proba(raw_rows))


@pytest.mark.parametrize("name", ["log.csv", "log.csv.gz", "log.parquet"])
@pytest.mark.parametrize("out", ["scores.csv", "scores.parquet"])
def test_files_of_any_kind_are_scored_in_their_order(
    saved, log, raw_rows, tmp_path, capsys, name, out
):
    model, folder = saved
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(log.read_bytes()))
    typed = raw_rows.with_columns(pl.col("item").cast(pl.Int64), pl.col("tags").str.split("|"))
    typed.write_parquet(tmp_path / "log.parquet")

    code = main([str(folder), str(tmp_path / name), "--out", str(tmp_path / out)])

    assert (code, *capsys.readouterr()) == (0, "", "")
    read = pl.read_csv if out.endswith(".csv") else pl.read_parquet
    scores = read(tmp_path / out)
    assert scores.columns == ["p_ctr"]
    assert scores["p_ctr"].to_list() == pytest.approx(model.predict_proba(raw_rows), abs=1e-9)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda log: log.replace("item", "thing"), "log.csv: column 'item' is missing; a model of"),
        (lambda log: log.replace(";7;", ";dear;"), "numeric column 'price' holds 'dear'"),
        (lambda log: log + "1;2\n", "log.csv line 42: the line has 2 values, the header names 5"),
        (lambda log: "", "log.csv: the file is empty"),
    ],
)
def test_a_file_that_cannot_be_scored_is_one_line(saved, log, tmp_path, capsys, change, line):
    log.write_text(change(log.read_text()))

    code = main([str(saved[1]), str(log), "--out", str(tmp_path / "scores.csv")])

    out, error = capsys.readouterr()
    assert (code, out) == (2, "")
    assert error.startswith("python -m models.predict: error: ")
    assert line in error
    assert len(error.splitlines()) == 1
    assert not list(tmp_path.glob("*scores*"))


def test_a_missing_model_or_file_is_one_line(saved, log, tmp_path, capsys):
    codes = [main([str(tmp_path), str(log)]), main([str(saved[1]), str(tmp_path / "no.csv")])]

    lines = capsys.readouterr().err.splitlines()
    assert codes == [2, 2]
    assert f"{tmp_path}: no saved model" in lines[0]
    assert f"{tmp_path / 'no.csv'}: No such file" in lines[1]
