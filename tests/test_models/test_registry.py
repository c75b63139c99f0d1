"""Plug-ins are found by their file names, in the repository's folders or where a path says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from models import registry
from models.registry import (
    PluginError,
    available,
    load_backbone,
    load_method,
    methods_named,
    use_plugins,
)

HERE = Path(__file__).resolve().parent
METHOD = """\
from dataclasses import dataclass
from models.interfaces import DomainMethod, MethodEntry

@dataclass(frozen=True)
class Config:
    rate: float = 0.5

METHOD = MethodEntry(config=Config, build=lambda config, shape: DomainMethod(shape))
"""
BACKBONE = """\
from models.backbones.dnn import DNN, DNNConfig
from models.interfaces import BackboneEntry

BACKBONE = BackboneEntry(config=DNNConfig, build=DNN)
"""


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch):
    """Plug-ins last as long as a test."""
    monkeypatch.setenv(registry.PLUGINS_VARIABLE, "")


@pytest.fixture
def write(tmp_path):
    def write(name, text=METHOD):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.mark.parametrize(("load", "kind"), [(load_backbone, "backbone"), (load_method, "method")])
def test_unknown_name_lists_what_exists(load, kind):
    names = ", ".join(available(f"{kind}s"))

    with pytest.raises(ValueError, match=f"Unknown {kind} 'no_such'. Available: {names}. A new"):
        load("no_such")


def test_groups_of_methods_are_words_for_their_members(write):
    use_plugins([write("mine.py")])
    paper = ["adasparse", "apg", "maml", "plain", "star"]

    assert methods_named(["paper"]) == paper
    assert methods_named(["star", "paper", "mine"]) == ["star", *paper[:-1], "mine"]
    assert methods_named(["all", "plain"]) == [*available("methods")]


def test_plugins_are_listed_and_loaded_beside_the_others(write):
    use_plugins([write("mine.py"), write("net.py", BACKBONE)])

    assert "mine" in available("methods")
    assert "mine" not in available("backbones")
    assert "net" in available("backbones")
    assert load_method("mine").config().rate == 0.5
    assert load_backbone("net").config is load_backbone("dnn").config


def test_process_that_is_started_later_finds_the_plugins(write):
    use_plugins([write("mine.py")])
    code = "from models.registry import load_method; print(load_method('mine').config().rate)"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=HERE.parents[1], capture_output=True, check=False
    )

    assert done.stdout.split() == [b"0.5"]


def test_later_plugins_replace_earlier_ones(write):
    use_plugins([write("mine.py")])

    use_plugins([])

    assert "mine" not in available("methods")


def test_a_file_may_be_named_twice(write):
    path = write("mine.py")

    use_plugins([path, path.parent / "." / path.name])

    assert "mine" in available("methods")


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("mine.txt", METHOD, "mine.txt: not a .py file"),
        ("my-method.py", METHOD, "'my-method' is no name for a plug-in; allowed are letters"),
        ("_mine.py", METHOD, "'_mine' is no name for a plug-in"),
        ("plain.py", METHOD, "there is a method 'plain' already; taken are adasparse, "),
        ("dnn.py", BACKBONE, "there is a backbone 'dnn' already; taken are dcnv2, dnn"),
        ("m1.py", "import no_such_package", "does not import: ModuleNotFoundError: No module nam"),
        ("m2.py", "def f(:", "does not import: SyntaxError: "),
        ("m3.py", "raise ValueError('two\\nlines')", "does not import: ValueError: two lines"),
        ("m4.py", "x = 1", "has neither of METHOD and BACKBONE"),
        ("m5.py", METHOD + BACKBONE, "has both of METHOD and BACKBONE"),
        ("m6.py", "METHOD = 3", "METHOD is of the type int; it must be a models.interfaces.Met"),
        ("m7.py", METHOD.replace("frozen=True", ""), "is not frozen"),
        ("m8.py", METHOD.replace("@dataclass(frozen=True)", ""), "is not a dataclass"),
        ("m9.py", METHOD.replace(" = 0.5", ""), "has no default for rate"),
        (
            "m10.py",
            METHOD.replace("0.5", "float('nan')"),
            "JSON cannot hold: ValueError: Out of ra",
        ),
        ("m11.py", "import sys; sys.exit(0)", "does not import: SystemExit: 0"),
    ],
    ids=lambda value: value if value.endswith((".py", ".txt")) else "",
)
def test_file_that_cannot_be_used_is_one_clear_line(write, name, text, reason):
    path = write(name, text)

    with pytest.raises(PluginError) as error:
        use_plugins([path])

    assert str(error.value).startswith(f"{path}: ")
    assert reason in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_file_and_folder_are_named(tmp_path):
    for path in (tmp_path / "no_such.py", tmp_path):
        with pytest.raises(PluginError, match=f"{path}: no such file"):
            use_plugins([path])


def test_two_plugins_of_one_name_are_refused(write, tmp_path):
    (tmp_path / "other").mkdir()

    with pytest.raises(PluginError, match="there is a method 'mine' already"):
        use_plugins([write("mine.py"), write("other/mine.py")])


def test_file_of_the_repository_without_its_constant_is_named(monkeypatch):
    import models.methods.plain as module

    monkeypatch.delattr(module, "METHOD")

    with pytest.raises(PluginError, match=r"models/methods/plain.py: lacks the constant METHOD"):
        load_method("plain")


@pytest.mark.slow
def test_run_with_a_plugin_alone_is_recorded_under_its_name(run_all, tiny_log):
    out = tiny_log.parent / "out"

    done = run_all(
        *("--preset", "smoke", "--data", tiny_log, "--out", out, "--seeds", 1, "--jobs", 1),
        *("--plugin", HERE / "domain_gain.py", "--methods", "domain_gain", "--backbones", "dnn"),
        *("--only", "main", "--trials", 0),
    )

    assert done.returncode == 0, done.stderr
    assert "method domain_gain: keeps the contract" in done.stdout.splitlines()
    assert json.loads((out / "plan.json").read_text())["plugin_checks"] == {
        "method domain_gain": []
    }
    (record,) = (json.loads(path.read_text()) for path in out.rglob("record.json"))
    assert record["config"]["method"] == "domain_gain"
    assert record["config"]["method_config"]["ramp_epochs"] == 0.5
    history = next(out.rglob("history.csv")).read_text().splitlines()
    assert history[0].split(",")[-1] == "alpha"
    assert float(history[-1].split(",")[-1]) == pytest.approx(0.5)
    assert "domain_gain" in (out / "report" / "tables" / "table1.csv").read_text()


def test_front_door_refuses_a_bad_plugin_in_one_line(front_door, write):
    done = front_door("--plugin", write("plain.py"))

    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "plain.py: there is a method 'plain' already" in done.stderr
