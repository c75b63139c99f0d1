"""Files of a log in --data: described beside it, never overwritten, and nothing is run."""

import gzip
import shlex
import shutil

import pytest

from datasets import catalog


@pytest.fixture
def folder(tiny_log, monkeypatch):
    """The current folder, with a small log that has no description."""
    tiny_log.unlink()
    monkeypatch.chdir(tiny_log.parent)
    return tiny_log.parent


def test_a_file_is_described_and_nothing_is_run(front_door, folder):
    done = front_door("--data", "tiny.csv", "--preset", "smoke", "--out", "out")

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert lines[1].startswith("wrote its description tiny.toml; nothing was run")
    assert any(line.startswith('  label = "click"  # 1 in') for line in lines)
    assert any(line.startswith("  partition = ") and "guess" in line for line in lines)
    assert any(line.startswith("  leaks: no column alone looks like one") for line in lines)
    assert not (folder / "out").exists()
    assert catalog.load("tiny.toml").spec.label == "click"


def test_the_next_command_is_the_call_with_the_description(front_door, folder):
    flags = ("--preset", "smoke", "--methods", "plain", "--dry-run")

    first = front_door("--data", "tiny.csv", *flags)
    *_, command = first.stdout.splitlines()
    program, script, *words = shlex.split(command.removeprefix("next: "))
    second = front_door(*words)

    assert shutil.which(program)
    assert script == "run_all.py"
    assert words == ["--data", "tiny.toml", *flags, "--no-mlflow"]
    assert second.returncode == 0
    assert "tiny.toml: about 1,200 train rows" in second.stdout


def test_a_description_is_never_overwritten(front_door, folder):
    (folder / "tiny.toml").write_text("mine")

    done = front_door("--data", "tiny.csv,kuairand")

    assert done.returncode == 0
    assert "tiny.toml describes it already and stays as it is" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("/python run_all.py --data tiny.toml")
    assert (folder / "tiny.toml").read_text() == "mine"


@pytest.mark.parametrize("word", ["../logs/tiny.csv.gz", "../logs", "./a.tsv", "my, own.csv"])
def test_an_existing_path_is_a_path(front_door, folder, word, monkeypatch):
    logs = folder / "logs"
    logs.mkdir()
    (logs / "tiny.csv.gz").write_bytes(gzip.compress((folder / "tiny.csv").read_bytes()))
    here = folder / "here"
    here.mkdir()
    shutil.copy(folder / "tiny.csv", here / "my, own.csv")
    (here / "a.tsv").write_text((folder / "tiny.csv").read_text().replace(",", "\t"))
    monkeypatch.chdir(here)

    done = front_door("--data", word)

    assert done.returncode == 0, done.stderr
    [written] = folder.rglob("*.toml")
    assert written.parent == (logs if "logs" in word else here)
    assert catalog.load(str(written)).read_raw(written.parent).tables[0].num_rows == 1_800


def test_a_name_of_the_catalog_is_no_path(front_door, folder):
    (folder / "iaac").mkdir()
    (folder / "tiny.csv").rename(folder / "iaac" / "tiny.csv")

    done = front_door("--data", "iaac", "--data-dir", folder / "iaac")
    file = front_door("--data", "iaac/tiny.csv")

    assert "wrote its description iaac/tiny.toml" in file.stdout
    assert done.returncode == 2
    assert "--data-dir" in done.stderr
    assert "python -m datasets.download iaac says where to get them" in done.stderr


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("../none.csv", "unknown data set '../none.csv' (no such file)"),
        ("empty", "there is no file of a log in this folder"),
        ("no_label.csv", "python -m datasets.describe no_label.csv --label COLUMN > no_label.toml"),
        ("picture.csv", "picture.csv"),
    ],
)
def test_what_cannot_be_described_is_one_line(front_door, folder, word, expected):
    (folder / "empty").mkdir()
    (folder / "no_label.csv").write_text("a,b\n0,1\n1,0\n1,1\n0,0\n")
    (folder / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))

    done = front_door("--data", word)

    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not [*folder.glob("*.toml")]


def test_missing_files_of_a_log_that_may_be_fetched_name_both_ways(front_door, folder):
    done = front_door("--data", "kuairand", "--data-dir", folder / "none")

    assert done.returncode == 2
    assert "with --data-dir; python -m datasets.download kuairand fetches them" in done.stderr


def test_missing_files_of_an_own_log_name_the_flag_alone(front_door, tiny_log):
    done = front_door("--data", tiny_log, "--data-dir", tiny_log.parent / "none")

    assert done.stderr.strip().endswith("name the folder that holds the raw files with --data-dir")
