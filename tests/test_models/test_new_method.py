"""The method that `--new-method` writes: a file of one's own that works as it is."""

import subprocess
from math import log

import pytest
import torch

from models.check import main
from models.interfaces import DomainContext
from models.methods._template import DomainGate
from tests.conftest import ROOT


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands_of(done):
    return [line.strip() for line in done.stdout.splitlines()[1:]]


def test_file_passes_the_contract(front_door, folder, capsys):
    front_door("--new-method", "mine")

    code = main([str(folder / "mine.py")])

    assert code == 0
    assert "FAIL" not in capsys.readouterr().out


def test_commands_name_the_file_from_the_root_of_the_project(front_door, folder):
    done = front_door("--new-method", "mine")

    move, check, run, test = commands_of(done)
    assert done.returncode == 0
    assert move == f"cd {ROOT}"
    assert f" -m models.check {folder}/mine.py " in check
    assert f"--plugin {folder}/mine.py --methods plain mine --focus mine --out {folder}" in run
    assert f" --plugin {folder}/mine.py -k mine " in test


def test_file_that_exists_is_kept(front_door, folder):
    (folder / "mine.py").write_text("mine")

    done = front_door("--new-method", "mine")

    assert (done.returncode, (folder / "mine.py").read_text()) == (2, "mine")
    assert "mine.py exists and is kept" in done.stderr


@pytest.mark.parametrize("name", ["star", "dnn", "reference", "paper"])
def test_name_that_is_taken_is_refused(front_door, folder, name):
    done = front_door("--new-method", name)

    assert done.returncode == 2
    assert f"'{name}' is taken, as are adasparse, apg" in done.stderr
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("name", ["my-method", "mine.py", "../mine", "1st", "_mine", ""])
def test_name_that_is_none_is_refused(front_door, folder, name):
    done = front_door("--new-method", name)

    assert done.returncode == 2
    assert f"{name!r} is no name; allowed are letters, digits" in done.stderr
    assert list(folder.iterdir()) == []


def test_gates_scale_the_hidden_units():
    gate = DomainGate(n=2, n_domain=1, strength=2.0)
    gate.weight.data = torch.tensor([[log(3.0) / 2.0, 0.0]])
    e_d, ids = torch.tensor([[0.0], [1.0]]), torch.zeros(2, dtype=torch.int64)
    context = DomainContext(ids, ids, e_d, e_d)

    scaled = gate(torch.tensor([[1.0, 1.0], [1.0, 4.0]]), context)

    torch.testing.assert_close(scaled, torch.tensor([[1.0, 1.0], [1.5, 4.0]]))


@pytest.mark.slow
def test_commands_run_as_they_stand(front_door, folder):
    done = front_door("--new-method", "mine")
    script = "\n".join(["set -e", *commands_of(done)])

    ended = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True)

    assert ended.returncode == 0, ended.stderr.decode()[-2000:]
    assert b"checks pass" in ended.stdout
    assert "mine" in (folder / "mine_smoke/report/tables/table1.csv").read_text()
