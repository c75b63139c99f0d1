"""Plug-ins are checked by the contract before the first training; a failure is a warning."""

from types import SimpleNamespace

import pytest

from benchmark.running import plugin_checks
from benchmark.running.plugin_checks import Chosen, check_plugins, failed_checks
from models import check, registry
from models.contract.checks import check_penalty, check_shapes
from models.registry import use_plugins
from tests.conftest import ROOT

WRONG = ROOT / "tests" / "test_models" / "wrong_methods" / "squeezed.py"
BACKBONE = """\
from models.backbones.dnn import DNN, DNNConfig
from models.interfaces import BackboneEntry

class Loud(DNN):
    def forward(self, context):
        return super().forward(context).unsqueeze(1)

BACKBONE = BackboneEntry(config=DNNConfig, build=Loud)
"""
METHOD = """\
from dataclasses import dataclass
import os, time
from models.interfaces import DomainMethod, MethodEntry

@dataclass(frozen=True)
class Config:
    pass

def build(config, shape):
    {}

METHOD = MethodEntry(config=Config, build=build)
"""


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch):
    """Plug-ins last as long as a test."""
    monkeypatch.setenv(registry.PLUGINS_VARIABLE, "")


@pytest.fixture
def plug_in(tmp_path):
    """A function that writes a plug-in and makes it known."""

    def write(name, text):
        (tmp_path / f"{name}.py").write_text(text)
        use_plugins([tmp_path / f"{name}.py"])

    return write


def checked(select, known=None, num_open=1, **chosen):
    """The lines of a call and what its agenda then holds."""
    agenda = SimpleNamespace(num_open=num_open, plugin_checks=known or {})
    lines = list(check_plugins(agenda, select(**chosen)))
    return lines, agenda.plugin_checks


def test_a_call_without_plug_ins_checks_nothing(select):
    assert checked(select, known={"method mine": ()}) == ([], {})


def test_a_failed_check_is_named_once_with_all_backbones(monkeypatch):
    use_plugins([WRONG])
    monkeypatch.setattr(
        check, "CHECKS", {"shape of logits": check_shapes, "penalty": check_penalty}
    )

    (line,) = failed_checks(Chosen("methods", "squeezed", ("dcnv2", "dnn")))

    assert line.startswith(
        "method squeezed: fails the check 'shape of logits' of the contract with dcnv2, dnn:"
        " B = 1 in eval mode"
    )
    assert line.endswith("wrong_methods/squeezed.py`")


def test_a_backbone_is_checked_with_the_methods_of_the_call(plug_in, monkeypatch):
    plug_in("loud", BACKBONE)
    monkeypatch.setattr(check, "CHECKS", {"shape of logits": check_shapes})

    (line,) = failed_checks(Chosen("backbones", "loud", ("plain",)))

    assert line.startswith("backbone loud: fails the check 'shape of logits' of the contract with")
    assert "gives logits of the shape (0, 1), not (0,)" in line


@pytest.mark.parametrize(
    ("body", "seconds", "expected"),
    [("os._exit(3)", 60.0, "ends its process"), ("time.sleep(600)", 3.0, "takes more than 3 s")],
)
def test_a_plug_in_that_ends_or_never_ends_costs_its_check_alone(
    plug_in, select, monkeypatch, body, seconds, expected
):
    plug_in("deadly", METHOD.format(body))
    monkeypatch.setattr(plugin_checks, "MOST_SECONDS", seconds)

    (line,), kept = checked(select, methods=("plain", "deadly"))

    assert line.startswith(f"WARNING: method deadly: the check of the contract {expected}; its")
    assert kept == {"method deadly": (line.removeprefix("WARNING: "),)}


def test_a_call_with_nothing_to_run_keeps_what_the_last_one_found(select):
    use_plugins([WRONG])
    known = {"method squeezed": ("found before",), "method other": ()}

    lines, kept = checked(select, known, num_open=0, methods=("plain", "squeezed"))

    assert (lines, kept) == ([], {"method squeezed": ("found before",)})


@pytest.mark.slow
def test_a_run_with_a_wrong_method_warns_and_goes_on(run_all, tiny_log, plug_in):
    plug_in("told", METHOD.format("return DomainMethod(shape)"))  # of no method that reads tasks
    out = tiny_log.parent / "out"

    done = run_all(
        *("--preset", "smoke", "--data", tiny_log, "--out", out, "--seeds", 1, "--trials", 0),
        *("--only", "main", "--backbones", "dnn", "--methods", "plain", "told"),
        *("--plugin", tiny_log.parent / "told.py"),
    )
    again = run_all("--report-only", "--out", out)

    warning = "method told: fails the check 'task ids' of the contract with dnn: reads_tasks is"
    assert (done.returncode, again.returncode) == (0, 0), done.stderr
    assert f"WARNING: {warning}" in done.stdout
    assert warning in again.stderr
    assert "of the contract with dnn: reads_tasks is" in (out / "report/index.html").read_text()
