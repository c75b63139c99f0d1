"""Proposes a TOML file for a log of your own, or writes the data card of a prepared one.

`python -m datasets.describe LOG.csv > my_log.toml`, `python -m datasets.describe --card kuairand`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from datasets.catalog import PREPARED_DIR
from datasets.command_line import OK, Parser, at_least, exit_code, print_document
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datasets.profiling.proposal import Proposal

MAX_ROWS = 500_000
DESCRIPTION = (
    "Proposes the TOML file of a log (standard output), with remarks on what stands out in it"
    " (standard error); or writes the data card of a log that can be prepared."
)
EPILOG = "exit codes: 0 done; 2 bad input or usage (one line says what)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Describe a log or write a card; returns the exit code."""
    parser = _parser()
    args = parser.parse_args(arguments)
    _check_usage(parser, args)

    def act() -> int:
        if args.card is not None:
            _write_card(args.card, args.data_dir, args.out)
        else:
            _describe(args.log, args.rows or MAX_ROWS, args.label)
        return OK

    return exit_code(parser.prog, act, DataError)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m datasets.describe", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument(
        "log",
        nargs="*",
        metavar="LOG",
        help="files of one log (CSV and the like, or Parquet; packed ones and archives of one file"
        " too), or patterns",
    )
    parser.add_argument("--label", metavar="COLUMN", help="the label, if its name does not tell")
    parser.add_argument(
        "--rows",
        type=at_least(1),
        metavar="N",
        help=f"rows looked at closely, drawn at random from a longer log (default {MAX_ROWS:,})",
    )
    parser.add_argument(
        "--card",
        metavar="NAME[/COLUMN+...]|my.toml",
        help="write the data card of this log instead, perhaps with another domain partition",
    )
    parser.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="with --card: folder of the raw files"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="with --card: an .html or .md file (default: Markdown on standard output)",
    )
    return parser


def _check_usage(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    if bool(args.log) == (args.card is not None):
        parser.error("name either the files of a log, or a log with --card")
    if args.card is None and (args.data_dir or args.out):
        parser.error("--data-dir and --out belong to --card")
    if args.card is not None and (args.rows or args.label):
        parser.error("--rows and --label do not go with --card")
    if args.out is not None and args.out.suffix not in (".html", ".md"):
        parser.error(f"--out must end in .html or .md, got {args.out.name!r}")
    if args.out is not None and not args.out.parent.is_dir():
        parser.error(f"--out: there is no folder {args.out.parent}; make it first")


def propose_for(
    paths: Sequence[Path], max_rows: int = MAX_ROWS, label: str | None = None
) -> Proposal:
    """The proposal for a log of these files.

    Raises:
        DataError: they cannot be read as one log, or nothing tells the label.
    """
    from datasets.profiling.profile import open_log, profile_log
    from datasets.profiling.proposal import propose

    files = open_log(paths)
    return propose(files, profile_log(files, max_rows), label)


def _describe(patterns: list[str], max_rows: int, label: str | None) -> None:
    from datasets.profiling.profile import find_log
    from datasets.profiling.proposal import remarks, toml_text

    proposal = propose_for(find_log(patterns), max_rows, label)
    for line in remarks(proposal):
        sys.stderr.write(line + "\n")
    print_document(toml_text(proposal))


def _write_card(name: str, data_dir: Path | None, out: Path | None) -> None:
    from datasets import catalog
    from datasets.prepare import prepare
    from datasets.profiling.data_card import card_of, render
    from datasets.spec import DomainPartition, PrepareOptions

    source, columns = catalog.source_of(name)
    entry = catalog.load(source)
    partition = DomainPartition(tuple(columns.split("+"))) if columns else None
    data = prepare(entry, data_dir, PREPARED_DIR, PrepareOptions(partition=partition))
    card = card_of(entry, entry.read_raw(data_dir or entry.default_dir), data)
    text = render(card, "html" if out is not None and out.suffix == ".html" else "md")
    if out is None:
        print_document(text)
    else:
        out.write_text(text, encoding="utf-8")
        sys.stderr.write(f"wrote {out}\n")


if __name__ == "__main__":
    sys.exit(main())
