"""Brings the raw files of a log into their folder: `python -m datasets.download NAME`."""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.command_line import OK, Parser, exit_code
from datasets.spec import DataError, MissingFilesError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets.fetch import RawFolder
    from datasets.provenance import Source
    from datasets.raw.raw_log import CatalogEntry

DESCRIPTION = """\
Brings the raw files of a log of the catalog into the folder where it is looked for, and checks
their digests. What is already there and verified is not fetched again. For a log that asks for a
login, it says what to put where and checks what is there."""
EPILOG = """\
examples:
  python -m datasets.download --list           what can be had, and how
  python -m datasets.download movielens        fetch, check, unpack
  python -m datasets.download movielens --from-file ~/Downloads/ml-1m.zip
                                               the same with a file that you have fetched yourself
  python -m datasets.download iaac             what to put where, and whether it is there
  python -m datasets.download kuairand --to /data/kuairand

Proxies are taken from the environment (https_proxy). A transfer is tried three times, a connection
given up after 30 seconds without a byte.

exit codes: 0 the files are there, fit, and can be read as the log; 2 one is missing or wrong, or
bad usage (one line says what); 130 interrupted"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Bring the files of a log, or list all logs; returns the exit code."""
    parser = Parser(
        prog="python -m datasets.download",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("name", nargs="?", metavar="NAME", help="a log of the catalog")
    what.add_argument("--list", action="store_true", help="name the logs and how each is had")
    parser.add_argument(
        "--to", type=Path, metavar="DIR", help="folder (default datasets/data/raw/NAME)"
    )
    parser.add_argument(
        "--from-file",
        type=Path,
        metavar="FILE",
        help="check, unpack and place this file or archive in place of fetching",
    )
    args = parser.parse_args(arguments)
    if args.list and (args.to or args.from_file):
        parser.error("--list takes no other argument")
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    act = listing if args.list else partial(bring, args.name, args.to, args.from_file)
    return exit_code(parser.prog, act, DataError, place=args.to)


def show(*lines: str) -> None:
    """Print lines."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def listing() -> int:
    """Print a line for each log of the catalog; returns the exit code."""
    from tqdm import tqdm

    from datasets import catalog

    rows = [("name", "how", "size", "licence")]
    for name in catalog.available():
        source = catalog.load(name).spec.source
        total = sum(download.size or 0 for download in source.downloads)
        size = tqdm.format_sizeof(total, suffix="B") if total else ""
        rows.append((name, source.way, size, source.licence))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{value:{width}}" for value, width in zip(row, widths, strict=True))
        show("  ".join(cells).rstrip())
    return OK


def bring(name: str, to: Path | None, file: Path | None) -> int:
    """Bring the files of one log, and say what is left to do; returns the exit code.

    Raises:
        DataError: the name is unknown, or the log cannot be read in the end.
    """
    from datasets import catalog

    if name.endswith(".toml"):
        raise DataError(f"{name}: a log of your own lies where its `files` say; nothing to fetch")
    entry = catalog.load(name)
    source = entry.spec.source
    if source.way == "nothing to fetch":
        if file:
            raise DataError(f"{name} has no files, so {file} cannot be one; leave out --from-file")
        show(f"{name}: nothing to fetch, a generated log needs no files")
        show(f"next: {next_command(name, None)}")
        return OK
    from datasets.fetch import RawFolder

    show(*guide(source))
    folder = RawFolder(source, to or entry.default_dir)
    if source.downloads:
        refuse_mixture(entry, folder)
    if file:
        folder.take(file)
    elif source.downloads:
        folder.fetch()
    conclude(entry, folder)
    show(f"next: {next_command(name, to)}")
    return OK


def fetch_missing(words: Sequence[str]) -> None:
    """Bring the files of logs, as --data names them, into their own folders if they are not there.

    Raises:
        DataError: a log may not be fetched, which is said before any is; or a transfer fails.
    """
    from datasets import catalog
    from datasets.fetch import RawFolder

    entries = [catalog.load(catalog.source_of(word)[0]) for word in dict.fromkeys(words)]
    entries = [entry for entry in entries if entry.spec.source.way != "nothing to fetch"]
    missing = {entry.spec.name: entry for entry in entries if not is_readable(entry)}
    for name, entry in missing.items():
        if entry.spec.source.way == "by hand":
            raise DataError(
                f"{name} may not be fetched openly: ask for it at {entry.spec.source.homepage};"
                f" python -m datasets.download {name} says what to put where"
            )
    for entry in missing.values():
        source, folder = entry.spec.source, RawFolder(entry.spec.source, entry.default_dir)
        show(*guide(source), f"fetching into {folder.root}")
        folder.fetch()
        conclude(entry, folder)


def is_readable(entry: CatalogEntry) -> bool:
    """True if the files of a log are in its own folder; a fault in them is left to be found."""
    try:
        entry.read_raw(entry.default_dir)
    except MissingFilesError:
        return False
    return True


def refuse_mixture(entry: CatalogEntry, folder: RawFolder) -> None:
    """Keep a release from being added to another one, with which it may share some files.

    Raises:
        DataError: the folder holds another release than the one that would be brought.
    """
    from datasets.raw.releases import names_with_suffixes

    expected = {name for state in folder.states() for name in names_with_suffixes(state.name)}
    try:
        found = [path.name for path in entry.read_raw(folder.root).files]
    except DataError:
        return
    if expected.issuperset(found):
        return
    raise DataError(
        f"{folder.root} holds another release of this log ({', '.join(found)}), which"
        " can be used as it is; choose another folder with --to DIR to have both"
    )


def conclude(entry: CatalogEntry, folder: RawFolder) -> None:
    """Say how the folder stands, and that the log can be read.

    Raises:
        DataError: a file is not what it should be, or the log cannot be read.
    """
    states = folder.states()
    show(f"folder: {folder.root}")
    for state in states:
        show(f"  {state.name}: {state.state}{state.remark and f' ({state.remark})'}")
    if wrong := [f"{state.name} {state.remark}" for state in states if state.state == "differs"]:
        raise DataError(f"{folder.root}: {'; '.join(wrong)}; get it again")
    if not folder.root.is_dir():
        raise DataError(f"{folder.root} does not exist; put the files above there, run it again")
    files = ", ".join(path.name for path in entry.read_raw(folder.root).files)
    show(f"the log can be read: {files}")


def guide(source: Source) -> list[str]:
    """The lines that a user must know to get the files."""
    terms = {"licence": source.licence, "citation": source.citation, "homepage": source.homepage}
    return [
        source.description,
        *(f"{title}: {text}" for title, text in terms.items() if text),
        *source.instructions.splitlines(),
    ]


def next_command(name: str, to: Path | None) -> str:
    """The command that uses the log."""
    folder = f" --data-dir {shlex.quote(str(to))}" if to else ""
    return f"python run_all.py --data {name}{folder}"


if __name__ == "__main__":
    sys.exit(main())
