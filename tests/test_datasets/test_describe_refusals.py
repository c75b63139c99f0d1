"""What `datasets.describe` cannot describe is one clear line and exit code 2."""

from __future__ import annotations

import pytest

from datasets.describe import main


def refused(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "the file has no line of text"),
        ("word\nword\n", "no separator splits"),
        ("a,click\n", "no data row"),
        ("a,click\n" + "x,0\ny,1\n" * 200 + "x\n", "line 402: the line has 1 values"),
        ("a,b\n" + "x,u\ny,v\n" * 9, "nothing tells which column is the label"),
        ("a,b\n" + "x,M\ny,F\nz,M\n" * 9, "nothing tells which column is the label"),
        ("a,b\n" + "x,u\ny,v\nz,w\n" * 9, "no column has exactly two values"),
        ("a,click\n" + "x,0\nx,1\n" * 9, "no column is left that could be a feature"),
        ("a,click\n" + "1.5,0\n2.25,1\n" * 99, "no column is left that could be a feature"),
    ],
)
def test_unusable_log_is_one_clear_line(capsys, tmp_path, content, words):
    (tmp_path / "log.csv").write_text(content)

    assert words in refused(capsys, tmp_path / "log.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.csv"], "there is no such file"),
        (["log.csv", "sub/log.csv"], "several folders"),
        (["log.csv", "--label", "clik"], "no column 'clik'; available: click"),
        (["log.csv", "--label", "item"], "'item' has 30 distinct values"),
    ],
)
def test_wrong_argument_is_one_clear_line(capsys, tmp_path, monkeypatch, arguments, words):
    lines = "item,click\n" + "".join(f"i{row % 30},{row % 2}\n" for row in range(90))
    (tmp_path / "sub").mkdir()
    (tmp_path / "log.csv").write_text(lines)
    (tmp_path / "sub" / "log.csv").write_text(lines)
    monkeypatch.chdir(tmp_path)

    assert words in refused(capsys, *arguments)


@pytest.mark.parametrize(
    "arguments",
    [[], ["log.csv", "--card", "iaac"], ["log.csv", "--out", "a.md"], ["log.csv", "--rows", "0"]],
)
def test_wrong_usage_is_one_line(capsys, arguments):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)

    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["x.csv", "--rows", "abc"], "must be a whole number of at least 1, got 'abc'"),
        (["--card", "iaac", "--rows", "5"], "--rows and --label do not go with --card"),
        (["--card", "iaac", "--out", "no/such/card.md"], "there is no folder no/such"),
    ],
)
def test_bad_usage_is_one_line(capsys, arguments, words):
    with pytest.raises(SystemExit) as left:
        main(arguments)

    assert left.value.code == 2
    assert words in capsys.readouterr().err
