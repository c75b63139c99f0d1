from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from datasets import catalog, download
from datasets.provenance import Source
from datasets.raw.raw_log import CatalogEntry, RawLog
from datasets.spec import DataError, DatasetSpec, DomainPartition, FeatureSpec

ROOT = Path(__file__).resolve().parents[3]


def read_raw(root):
    """Any file will do, as it is with a log of several releases."""
    files = sorted(path for path in root.glob("*") if path.is_file())
    if not files:
        raise DataError(f"{root}: the files of this log are not there")
    return RawLog(frame=pl.LazyFrame(), files=tuple(files))


@pytest.fixture
def run(monkeypatch, tmp_path, capsys):
    """Run the command on an entry `tiny` with the given source; returns code, output and errors."""

    def call(source, *words):
        spec = DatasetSpec(
            name="tiny",
            label="click",
            timestamp=None,
            features=(FeatureSpec(name="site"),),
            partition=DomainPartition(("site",)),
            representative="site",
            source=source,
        )
        entry = CatalogEntry(spec, read_raw, tmp_path / "raw" / "tiny")
        monkeypatch.setattr(catalog, "load", lambda name: entry)
        code = download.main(["tiny", *map(str, words)])
        return code, *capsys.readouterr()

    return call


def one_line(text):
    assert text.count("\n") == 1
    return text


@pytest.fixture
def source(server, content, download_of):
    """A log of one file on the server."""
    url = server.serve("/log.csv", content)
    return Source(description="A log.", downloads=(download_of(content, url),))


@pytest.mark.parametrize("folder", [None, "my logs"])
def test_file_is_brought_and_the_next_command_named(run, source, content, tmp_path, folder):
    words = ["--to", tmp_path / folder] if folder else []

    code, output, _ = run(source, *words)

    assert code == 0
    assert output.startswith("A log.\n")
    assert "log.csv: verified" in output
    assert "the log can be read: log.csv\n" in output
    named = f" --data-dir '{tmp_path}/my logs'" if folder else ""
    assert output.endswith(f"next: python run_all.py --data tiny{named}\n")
    assert (tmp_path / (folder or "raw/tiny") / "log.csv").read_bytes() == content


def test_failed_fetch_is_one_line(run, server, content, download_of, pauses):
    url = server.serve("/log.csv", b"another")
    source = Source(description="A log.", downloads=(download_of(content, url),))

    code, output, errors = run(source)

    assert (code, output) == (2, "A log.\n")
    start = "python -m datasets.download: error: log.csv cannot be fetched"
    assert errors.splitlines()[-1].startswith(start)


def test_login_only_log_is_explained_until_it_is_there(run, tmp_path):
    steps = "Log in at the site.\nPut a.txt here."
    source = Source(description="A log.", licence="CC0", files=("a.txt",), instructions=steps)
    folder = tmp_path / "raw" / "tiny"

    code, output, errors = run(source)
    assert code == 2
    assert output.startswith(f"A log.\nlicence: CC0\n{steps}\nfolder: {folder}\n")
    assert output.endswith("a.txt: missing\n")
    assert f"{folder} does not exist; put the files above there" in one_line(errors)

    (tmp_path / "a.txt").write_bytes(b"1" * 1_000)
    code, output, errors = run(source, "--from-file", tmp_path / "a.txt")
    assert (code, errors) == (0, "")
    assert "a.txt: there (no digest is known)" in output
    assert output.endswith("the log can be read: a.txt\nnext: python run_all.py --data tiny\n")


def test_other_release_that_can_be_read_is_enough(run, tmp_path):
    source = Source(description="A log.", files=("round2.txt",))
    (tmp_path / "raw" / "tiny").mkdir(parents=True)
    (tmp_path / "raw" / "tiny" / "round1.txt").write_bytes(b"1 2\n")

    code, output, _ = run(source)

    assert code == 0
    assert "the log can be read: round1.txt\n" in output


@pytest.mark.parametrize("words", [[], ["--from-file", "log.csv"]])
@pytest.mark.parametrize("found", [["other.csv"], ["log.csv", "other.csv"]])
def test_release_is_not_added_to_another(run, server, source, tmp_path, words, found):
    (tmp_path / "raw" / "tiny").mkdir(parents=True)
    for name in found:
        (tmp_path / "raw" / "tiny" / name).write_bytes(b"1 2\n")

    code, _, errors = run(source, *words)

    assert code == 2
    assert f"holds another release of this log ({', '.join(found)})" in one_line(errors)
    assert not server.requests


def test_compressed_file_is_there(run, tmp_path):
    source = Source(description="A log.", files=("a.csv",))
    (tmp_path / "raw" / "tiny").mkdir(parents=True)
    (tmp_path / "raw" / "tiny" / "a.csv.gz").write_bytes(b"1 2\n")

    code, output, _ = run(source)

    assert code == 0
    assert "a.csv: there (as a.csv.gz, which is not compared)" in output


def test_generated_log_needs_nothing(run, tmp_path):
    code, output, _ = run(Source(description="A world."))

    assert code == 0
    assert "nothing to fetch" in output
    assert not (tmp_path / "raw").exists()

    code, _, errors = run(Source(description="A world."), "--from-file", tmp_path / "a.zip")
    assert code == 2
    assert "leave out --from-file" in one_line(errors)


def test_file_in_the_place_of_the_folder_is_one_line(run, source, tmp_path):
    (tmp_path / "taken").write_text("")

    code, _, errors = run(source, "--to", tmp_path / "taken")

    assert code == 2
    assert str(tmp_path / "taken") in one_line(errors)


@pytest.mark.parametrize("words", [[], ["--list", "iaac"], ["--list", "--to", "x"], ["a", "b"]])
def test_bad_usage_is_one_line(capsys, words):
    with pytest.raises(SystemExit) as left:
        download.main(words)

    assert left.value.code == 2
    assert "error:" in one_line(capsys.readouterr().err)


@pytest.mark.parametrize("name", ["nothing", "my.toml", "../iaac"])
def test_unknown_name_is_one_line(capsys, name):
    assert download.main([name]) == 2

    assert name in one_line(capsys.readouterr().err)


def test_list_names_every_log(capsys):
    assert download.main(["--list"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(catalog.available())


def test_help_is_answered_without_heavy_imports():
    code = (
        "import sys, datasets.download as it\n"
        "try: it.main(['--help'])\n"
        "finally: assert not {'pooch', 'numpy', 'polars', 'tqdm'} & set(sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout
