"""The front door: what it lists, what it refuses, and with which exit code."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from benchmark.command_line import dry_run
from benchmark.command_line.arguments import parse
from benchmark.command_line.listing import card_lines, files_of
from benchmark.planning import estimate
from benchmark.planning.cells import configure
from benchmark.planning.estimate import Pace
from benchmark.planning.studies import STUDIES, Change
from benchmark.running.grid import prepare_log
from benchmark.store import environment
from datasets import prepare
from models.registry import (
    available,
    load_backbone,
    load_method,
    methods_named,
    use_plugins,
)
from reports import build
from reports.build import load_figures
from run_all import selection_of

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("datasets", {"iaac", "kuairand", "synthetic_production"}),
        ("backbones", {"dnn", "dcnv2"}),
        ("methods", {"plain", "adasparse"}),
        ("tables", {"table1"}),
    ],
)
def test_list_names_what_exists(front_door, kind, expected):
    done = front_door("--list", kind)

    assert done.returncode == 0
    lines = [line for line in done.stdout.splitlines() if not line.startswith("  ")]
    assert expected <= {line.partition(": ")[0] for line in lines}
    assert all(line.partition(": ")[2] for line in lines)


def test_list_alone_names_the_lists(front_door):
    done = front_door("--list")

    assert done.returncode == 0
    assert "--list methods: ways to adapt a network to domains" in done.stdout.splitlines()
    assert len(done.stdout.splitlines()) == 7


@pytest.mark.parametrize("kind", ["backbones", "methods"])
def test_list_names_the_papers_that_the_entries_name(front_door, kind):
    load = load_method if kind == "methods" else load_backbone
    papers = [load(name).facts.paper for name in available(kind)]

    lines = front_door("--list", kind).stdout.splitlines()

    assert [line.strip() for line in lines if line.startswith("  ")] == [*filter(None, papers)]


def test_list_describes_a_plug_in(front_door):
    plugin = ROOT / "tests/test_models/domain_gain.py"

    lines = front_door("--plugin", plugin, "--list", "methods").stdout.splitlines()

    [line] = [line for line in lines if line.startswith("domain_gain: ")]
    assert line.removeprefix("domain_gain: ") in plugin.read_text().splitlines()[0]


def test_version_is_that_of_the_project_with_its_commit(front_door):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    done = front_door("--version")

    assert done.stdout.startswith(f"{project['name']} {project['version']}")
    assert project["version"] in (ROOT / "CITATION.cff").read_text()


@pytest.mark.parametrize(("commit", "end"), [("abc", ", commit abc\n"), ("", "0\n")])
def test_version_names_the_commit_if_it_is_known(front_door, monkeypatch, commit, end):
    monkeypatch.setenv(environment.COMMIT_VARIABLE, commit)
    environment.program_commit.cache_clear()

    done = front_door("--version")

    environment.program_commit.cache_clear()
    assert done.stdout.endswith(end)


def test_sys_info_is_json_with_versions(front_door):
    content = json.loads(front_door("--sys-info").stdout)

    assert {"commit", "python", "packages"} <= set(content)
    assert content["packages"]["torch"]


def test_help_shows_exit_codes_and_examples(front_door):
    done = front_door("--help")

    assert done.returncode == 0
    assert "exit codes" in done.stdout
    assert "examples" in done.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--preset", "huge"], "quick"),
        (["--methods", "dropout"], "adasparse"),
        (["--backbones", "dnn2"], "dcnv2"),
        (["--data", "criteo"], "kuairand"),
        (["--dry-run", "--data", "criteo"], "kuairand"),
        (["--seeds", "0"], "at least 1, got '0'"),
        (["--jobs", "two"], "at least 1, got 'two'"),
        (["--jobs", "0"], "at least 1, got '0'"),
        (["--trials", "-1"], "at least 0, got '-1'"),
        (["--tuned", "/nowhere"], "no best.json below it"),
        (["--tuned", "/nowhere", "--trials", "3"], "do not go together"),
        (["--tracking-uri", "file:/tmp/mlruns"], "must be the address of an MLflow server"),
        (["--tracking-uri", "http://127.0.0.1:9"], "http://127.0.0.1:9: no MLflow server answers"),
        (["--ray-address", "127.0.0.1:6379"], "needs --executor ray"),
        (["--device", "tpu"], "cuda"),
        (["--list", "model"], "backbones"),
        (["--only", "table1,fig9"], "available: main, formulations, partitions"),
        (["--only", ","], "--list tables"),
        (["--dry-run", "--focus", "dnn+stars"], "no such model; available: adasparse, apg, "),
        (["--focus", "star", "--methods", "plain"], "available: plain, dnn+plain, dcnv2+plain"),
        (["--only", "mechanisms", "--methods", "plain", "--dry-run"], "beside plain"),
        (["-v"], "goes with --dry-run"),
        (["--only", "ab_test", "--data", "iaac", "--dry-run"], "one of synthetic_"),
        (["--world-rows", "1e6"], "at least 1, got '1e6'"),
        (["--only", "controls", "--methods", "plain", "--dry-run"], "beside plain"),
        (["--dry-run", "--data", "synthetic_production/scenaro"], "scenario"),
        (["--sedes", "3"], "--sedes"),
        (["--data", "nowhere.toml"], "nowhere.toml"),
        (["--data", "kuairand", "--data-dir", "/nowhere"], "/nowhere"),
        (["--data", "synthetic_production/scenaro"], "scenario"),
        (["--status", "--out", "/nowhere"], "/nowhere"),
        (["--report-only", "--out", "/nowhere"], "/nowhere"),
        (["--out", "/dev/null/runs"], "/dev/null"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_usage_is_one_clear_line_and_code_2(front_door, words, expected):
    done = front_door(*words)

    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def _measures_nothing(monkeypatch):
    """Every row of training takes a millisecond, and scoring no time."""
    monkeypatch.setattr(estimate, "_measured", lambda *_: Pace(train=1e-3, score=0.0))


@pytest.mark.usefixtures("_measures_nothing")
def test_dry_run_prints_the_studies_and_writes_nothing(front_door, tmp_path):
    out = tmp_path / "out"

    done = front_door(
        *("--dry-run", "--preset", "smoke", "--out", out, "--jobs", 2),
        *("--backbones", "dnn", "--methods", "plain", "adasparse"),
    )

    lines = done.stdout.splitlines()
    assert lines[0] == (
        "protocol smoke on synthetic_production, synthetic_none: hidden layers 64-32-16, batch"
        " 256, at most 12 fields, embedding 8, at most 2 epochs with 2 evaluations each"
    )
    runs = "2 draws x 1 seed for each cell"
    assert lines[1] == f"synthetic_production: at most 5,461 train rows, {runs}"
    assert lines[3] == "preset smoke: 2 trials for each search"
    assert "there hidden layers 128-64-32, batch 256 on its public log" in lines[4]
    assert lines[6] == "main: 4 cells, 4 trials, about 44 s"  # 8 times 2 epochs of 5.461 s, halved
    assert lines[7] == "formulations: 8 cells, 4 of them in studies above, about 22 s"
    assert lines[14] == "cost: 4 cells, all of them in studies above"
    named = [line.partition(":")[0] for line in lines[6:-1]]
    assert named == [name for name in STUDIES if name in named]
    own = {name for name in STUDIES if not name.startswith("foreign_")}  # of one's own, if any
    assert own - {*named} == {"retuned", "zoo"}
    assert lines[-1].startswith("8 trials and 46 cells, about 4.5 min with 2 jobs")
    assert not out.exists()


@pytest.mark.usefixtures("_measures_nothing")
def test_dry_run_lists_every_cell_where_it_is_asked_for(front_door):
    words = (
        "--dry-run",
        "--preset",
        "smoke",
        "--backbones",
        "dnn",
        "--methods",
        "plain",
        "adasparse",
    )

    done = front_door(*words, "--only", "main", "controls", "references", "-v")
    short = front_door(*words, "--only", "main", "controls", "references")

    lines = done.stdout.splitlines()
    place = lines.index("main: 4 cells, 4 trials, about 44 s")
    assert lines[place + 1 : place + 5] == [
        "  synthetic_production dnn+plain: 2 draws x 1 seed, about 11 s each",
        "  synthetic_production dnn+adasparse: 2 draws x 1 seed, about 11 s each",
        "  tuning of synthetic_production@0 dnn+plain: 2 trials, about 11 s each",
        "  tuning of synthetic_production@0 dnn+adasparse: 2 trials, about 11 s each",
    ]
    assert "  synthetic_production dnn+adasparse (domain-blind): 2 draws x 1 seed" in done.stdout
    assert "  tuning of synthetic_production@0 boosted_trees+reference: 2 trials" in done.stdout
    assert [line for line in lines if not line.startswith("  ")] == short.stdout.splitlines()


@pytest.mark.usefixtures("_measures_nothing")
def test_dry_run_says_where_numbers_of_seeds_differ(front_door):
    done = front_door(
        *("--dry-run", "--backbones", "dnn", "--methods", "plain", "adasparse", "-v"),
        *("--only", "main", "formulations"),
    )

    lines = done.stdout.splitlines()
    assert lines[1].endswith(
        "4 draws x 2 seeds for each cell of Table 1, 4 draws x 1 seed for those of other studies"
    )
    assert any(line.startswith("  synthetic_production dnn+plain: 4 draws x 2 s") for line in lines)
    assert "synthetic_production dnn+adasparse (form scaling): 4 draws x 1 s" in done.stdout
    assert "main: 16 cells, 8 trials, about" in done.stdout
    assert "formulations: 16 cells, 8 of them in studies above, about" in done.stdout
    assert lines[-1].startswith("8 trials and 24 cells, about")


def test_dry_run_of_a_log_without_its_files_says_that_its_time_is_unknown(front_door, tmp_path):
    words = ("--dry-run", "--data", "iaac", "--only", "main", "--data-dir", tmp_path / "none")
    words = (*words, "--backbones", "dnn", "--methods", "plain")

    done = front_door(*words, "--preset", "standard")
    capped = front_door(*words)

    assert done.returncode == 0
    assert f"iaac: all train rows (not counted: data folder {tmp_path}/none" in done.stdout
    assert "time unknown: nobody has counted the rows of iaac" in done.stdout
    assert "iaac: at most 170,000 train rows (not counted: data folder" in capped.stdout
    assert "10 cells" in done.stdout.splitlines()[-1]


@pytest.mark.usefixtures("_measures_nothing")
def test_dry_run_counts_the_rows_of_a_small_log(front_door, tiny_log):
    words = ("--dry-run", "--data", tiny_log, "--only", "main", "--jobs", 1)
    words = (*words, "--preset", "standard", "--backbones", "dnn", "--methods", "plain")

    lines = front_door(*words, "--trials", 0).stdout.splitlines()

    assert f"{tiny_log}: about 1,200 train rows, 10 seeds for each cell" in lines
    assert (
        "0 trials and 10 cells, about 28 s with 1 job on the CPU" in lines[-1]
    )  # 10 x 2 epochs x 1.2 s


def test_dry_run_knows_the_rows_of_a_log_that_was_prepared(front_door, log, tiny_log, monkeypatch):
    monkeypatch.setattr(dry_run, "PREPARED_DIR", log.directory.parent)
    monkeypatch.setattr(prepare, "MOST_BYTES_TO_COUNT", 0)
    words = ("--dry-run", "--data", tiny_log, "--only", "main", "--methods", "plain")

    known = front_door(*words, "--preset", "smoke")
    other = front_door(*words, "--preset", "standard")  # which keeps all fields

    assert f"{tiny_log}: about 1,200 train rows" in known.stdout
    assert f"{tiny_log}: all train rows (not counted: its files are large)" in other.stdout


@pytest.fixture
def _all_figures(monkeypatch):
    monkeypatch.setattr(build, "load_figures", load_figures)


@pytest.mark.usefixtures("_all_figures")
@pytest.mark.parametrize("word", [*STUDIES, *files_of("tables"), *files_of("figures")])
def test_only_takes_every_study_table_and_figure(word):
    args = parse(["--only", word])

    studies = selection_of(args).studies

    if word in STUDIES:
        assert {*studies} == {word, *STUDIES[word].beside}
    else:
        assert {*studies} <= {*STUDIES}


@pytest.mark.usefixtures("_all_figures")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["fig3c", "formulations,fig3d"], ["formulations", "partitions", "sparsity"]),
        (["controls,table1"], ["main", "controls", "references"]),
        (["ablations", "controls,"], ["controls", "ablations"]),
    ],
)
def test_only_takes_words_with_commas_or_spaces(words, expected):
    assert selection_of(parse(["--only", *words])).studies == expected


@pytest.mark.parametrize("flag", ["methods", "backbones", "data"])
def test_names_have_commas_or_blanks_between(flag):
    names = {"methods": "plain star", "backbones": "dcnv2 dnn", "data": "iaac kuairand"}[flag]
    one, other = names.split()

    ways = [[one, other], [f"{one},{other}"], [f"{one},", f"{other},{one}"]]
    found = [getattr(parse([f"--{flag}", *way]), flag) for way in ways]

    assert found == [[one, other]] * 3


def test_default_are_the_methods_of_the_paper_and_plug_ins(tmp_path):
    plugin = tmp_path / "mine.py"
    plugin.write_text((ROOT / "models" / "methods" / "_template.py").read_text())

    alone, beside = parse([]).methods, parse(["--plugin", str(plugin)]).methods
    use_plugins([])

    assert (alone, beside) == (["paper"], ["paper", "mine"])
    assert parse(["--only", "zoo"]).methods == ["all"]
    assert parse(["--only", "zoo", "--methods", "star"]).methods == ["star"]
    assert selection_of(parse(["--methods", "paper"])).call["--methods"] == methods_named(["paper"])


def test_a_file_whose_name_has_a_comma_is_one_name(tmp_path):
    log = tmp_path / "clicks, 2024.toml"
    log.touch()

    assert parse(["--data", str(log), "iaac,kuairand"]).data == [str(log), "iaac", "kuairand"]


def test_studies_are_listed_with_what_they_ask(front_door):
    lines = front_door("--list", "studies").stdout.splitlines()

    assert [line.partition(": ")[0] for line in lines] == list(STUDIES)
    assert all(line.partition(": ")[2] for line in lines)


def test_a_foreign_package_named_datasets_is_found_out(run_all, tmp_path):
    foreign = tmp_path / "datasets"
    foreign.mkdir()
    (foreign / "__init__.py").write_text("")
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}

    done = run_all("--list", "datasets", env=environment)

    assert done.returncode == 2
    assert "import datasets" in done.stderr
    assert "repository root" in done.stderr


def test_a_malformed_line_is_named_with_its_number(front_door, tiny_log):
    path = tiny_log.parent / "tiny.csv"
    lines = path.read_text().splitlines()
    lines[41] = lines[41].rpartition(",")[0]
    path.write_text("\n".join(lines))

    done = front_door("--preset", "smoke", "--data", tiny_log, "--out", tiny_log.parent / "out")

    assert done.returncode == 2
    assert "line 42" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.slow
def test_only_runs_and_counts_the_studies_that_it_names(run_all, tiny_log):
    out = tiny_log.parent / "out"
    words = ("--preset", "smoke", "--data", tiny_log, "--out", out, "--seeds", 1)

    done = run_all(*words, "--only", "controls", "--methods", "plain", "adasparse")
    status = run_all("--status", "--out", out)

    assert done.returncode == 0, done.stderr
    assert "5 cells: 5 done" in status.stdout.splitlines()[0]  # wide, blind, and a placebo
    assert status.stdout.splitlines()[1:] == [
        "  tuning: 4 trials: 4 done, 0 failed, 0 missing",
        "  controls: 5 cells: 5 done, 0 failed, 0 missing",
    ]
    names = {path.stem for path in (out / "report" / "tables").iterdir()}
    assert names == {"awareness", "claims", "controls", "ledger"}
    assert json.loads((out / "studies" / "main.json").read_text())["slots"] == []


def test_a_log_without_a_clock_is_said_to_be_shuffled(tiny_log, tmp_path, select):
    tiny_log.write_text(tiny_log.read_text().replace('timestamp = "time"\n', ""))

    log = prepare_log(str(tiny_log), None, tmp_path / "cache", select())

    assert "seeded shuffle" in card_lines(log.card)[0]
    assert configure(select(), "tiny", log, "dnn", Change(method="plain")).split == "shuffle"


@pytest.mark.parametrize(
    "arguments", [["--list", "methods"], ["--list", "studies"], ["--list", "figures"], ["--help"]]
)
def test_answers_that_need_no_run_import_nothing_slow(arguments):
    program = (
        "import contextlib, sys, run_all\n"
        f"with contextlib.suppress(SystemExit): run_all.main({arguments!r})\n"
        "slow = {'torch', 'sklearn', 'optuna', 'mlflow', 'matplotlib', 'statsmodels', 'pandas'}\n"
        "sys.exit(' '.join(slow & set(sys.modules)) or 0)"
    )

    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
