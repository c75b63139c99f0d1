from __future__ import annotations

import errno
import io
import sys
from functools import partial
from pathlib import Path

import pytest

from datasets.command_line import OK, Parser, exit_code, print_document
from datasets.spec import DataError


def failing(error):
    def act():
        raise error

    return act


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (DataError("a.csv: no\n rows"), "a.csv: no rows"),
        (OSError(errno.ENOSPC, "No space left on device"), "out: No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/raw"), "/raw: Permission denied"),
        (ConnectionError("no answer"), "out: no answer"),
    ],
)
def test_errors_that_the_user_can_mend_are_one_line(capsys, error, line):
    code = exit_code("program", failing(error), DataError, place=Path("out"))

    assert code == 2
    assert capsys.readouterr().err == f"program: error: {line}\n"


def test_interrupt_has_its_own_code(capsys):
    assert exit_code("program", failing(KeyboardInterrupt)) == 130

    assert capsys.readouterr().err == "\ninterrupted; run the same command again\n"


def test_other_errors_pass_through():
    with pytest.raises(ValueError, match="a mistake"):
        exit_code("program", failing(ValueError("a mistake")), DataError)


def test_code_of_a_success_is_returned(capsys):
    assert exit_code("program", lambda: OK, DataError) == OK

    assert capsys.readouterr() == ("", "")


def test_bad_usage_is_one_line(capsys):
    with pytest.raises(SystemExit) as left:
        Parser(prog="program").parse_args(["--nothing"])

    assert left.value.code == 2
    assert capsys.readouterr().err == (
        "program: error: unrecognized arguments: --nothing; see --help\n"
    )


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (lambda text: sys.stdout.write(text), b"caf\xe9 \\u9996\\u9875\n"),
        (print_document, "caf\xe9 首页\n".encode()),
    ],
    ids=["progress is escaped", "a document is UTF-8"],
)
def test_letters_that_the_terminal_lacks(monkeypatch, write, expected):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="latin-1"))

    exit_code("program", partial(write, "caf\xe9 首页\n"))
    sys.stdout.flush()

    assert written.getvalue() == expected
