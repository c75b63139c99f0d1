"""Errors name the user's own code: a file outside the program, else one of its rooms."""

import json
from pathlib import Path

import pytest

from models import own_code
from models.own_code import one_line

HERE = Path(__file__).name


def error_of(act):
    with pytest.raises(Exception) as caught:  # noqa: PT011 (whatever it is)
        act()
    return caught.value


def fail():
    raise ValueError("two\n  lines")


def test_the_last_own_frame_is_named_with_its_text():
    number = fail.__code__.co_firstlineno + 1

    assert one_line(error_of(fail)) == (
        f'ValueError: two lines, at {HERE}:{number} in fail: raise ValueError("two\\n  lines")'
    )


def test_frames_of_libraries_are_passed_over():
    line = one_line(error_of(lambda: json.loads("{")))

    assert line.startswith("JSONDecodeError: Expecting property name")
    assert f"at {HERE}:" in line
    assert line.endswith('in <lambda>: line = one_line(error_of(lambda: json.loads("{")))')


def test_an_error_without_own_frames_is_its_message_alone():
    assert one_line(ValueError("no frame")) == "ValueError: no frame"
    assert one_line(AssertionError()) == "AssertionError"


def test_the_cause_is_looked_at_where_the_error_has_no_own_frame():
    error = RuntimeError("wrapped")
    error.__cause__ = error_of(fail)

    assert one_line(error).startswith(f"RuntimeError: wrapped, at {HERE}:")


def test_a_room_of_the_program_is_named_where_nothing_lies_outside(monkeypatch):
    here = Path(__file__).parent
    monkeypatch.setattr(own_code, "PLACES", (here,))
    error = error_of(fail)

    before = one_line(error)
    monkeypatch.setattr(own_code, "ROOMS", (here,))

    assert before == "ValueError: two lines"
    assert " in fail: raise ValueError" in one_line(error)


def test_long_messages_are_cut():
    line = one_line(ValueError("x" * 10_000))

    assert line == f"ValueError: {'x' * own_code.MOST_LETTERS}..."
