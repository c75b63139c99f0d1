"""`python -m models.check` on the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from models.check import main

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WRONG = HERE / "wrong_methods"


def test_table_names_check_backbone_and_reason():
    command = [sys.executable, "-m", "models.check", str(WRONG / "squeezed.py")]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert done.returncode == 1
    assert done.stderr == ""
    for backbone in ("dcnv2", "dnn"):
        assert re.search(rf"shape of logits  {backbone} +FAIL    B = 1 in eval mode", done.stdout)


@pytest.mark.parametrize("name", ["no_constant.py", "no_such_file.py"])
def test_file_that_cannot_be_loaded_is_one_line_and_code_2(name, capsys):
    code = main([str(WRONG / name)])

    out, err = capsys.readouterr()
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert name in err


def test_bad_usage_is_one_line_and_code_2(capsys):
    with pytest.raises(SystemExit, match="2"):
        main([])

    assert capsys.readouterr().err.count("\n") == 1
