from __future__ import annotations

import io
import logging

import pytest

from datasets.fetch.progress import ByteProgress, readable


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("total", "line"), [(4_000, "log: 1.50kB of 4.00kB"), (None, "log: 1.50kB")]
)
def test_lines_are_written_now_and_then_without_a_terminal(monkeypatch, caplog, total, line):
    now = iter([0.0, 9.0, 10.0, 10.5])
    monkeypatch.setattr("datasets.fetch.progress.time.monotonic", lambda: next(now))
    monkeypatch.setattr("datasets.fetch.progress.sys.stderr", io.StringIO())
    caplog.set_level(logging.INFO)

    with ByteProgress("log", total, done=500) as progress:
        for _ in range(3):
            progress.add(500)

    assert caplog.messages == [line]


def test_bar_is_drawn_on_a_terminal(monkeypatch, caplog):
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    caplog.set_level(logging.INFO)

    with ByteProgress("log", 4_000, done=1_000) as progress:
        progress.add(3_000)

    assert "log: " in terminal.getvalue()
    assert "25%" in terminal.getvalue()
    assert not caplog.messages


def test_size_that_is_unknown_is_empty():
    assert (readable(None), readable(4_924_029)) == ("", "4.92MB")
