"""Checks a store or a bundle: `python -m reports.verify DIR`."""

from __future__ import annotations

import stat
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from threadpoolctl import threadpool_limits

from benchmark.config import ConfigError
from benchmark.store.files import RecordError
from benchmark.store.plan import read_plan
from benchmark.store.records import RunStore
from datasets.command_line import FAILED, OK, Parser, exit_code
from reports.reading.findings import Findings
from reports.reading.folders import read_runs
from reports.reading.load import load_runs
from reports.verification.artefacts import check_report
from reports.verification.planned import check_plan
from reports.verification.scores import check_runs, read_logs
from reports.verification.tuning import check_tuning

DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@contextmanager
def opened(path: Path) -> Iterator[Path]:
    """The folder of a store; that of a bundle is removed at the end.

    Raises:
        RecordError: there is no such path, or it is no undamaged bundle.
        OSError: it cannot be read, or the temporary folder cannot be written.
    """
    if path.is_dir():
        yield path.resolve()
        return
    if not path.exists():
        raise RecordError(f"{path}: no such folder or bundle; name an output folder of run_all.py")
    with tempfile.TemporaryDirectory(prefix="bundle-") as folder:
        try:
            with zipfile.ZipFile(path) as bundle:
                _check_members(path, bundle)
                bundle.extractall(folder)
        except DAMAGE as error:
            raise RecordError(f"{path}: no undamaged bundle ({error}); make it again") from error
        yield Path(folder).resolve()


def _check_members(path: Path, bundle: zipfile.ZipFile) -> None:
    """Refuse members that would not lie in the folder under names of their own.

    Raises:
        RecordError: there is one.
    """
    seen: set[str] = set()
    for member in bundle.infolist():
        name = PurePosixPath(member.filename)
        is_inside = not name.is_absolute() and ".." not in name.parts and "\\" not in str(name)
        is_link = stat.S_ISLNK(member.external_attr >> 16)
        if not is_inside or is_link or str(name) in seen:
            raise RecordError(
                f"{path}: the member {member.filename!r} is a link, lies outside, or is there"
                " twice; this is no bundle of reports.bundle"
            )
        seen.add(str(name))


def verify(out: Path) -> Findings:
    """Recompute everything that the files of an output folder allow; nothing is written.

    Raises:
        RecordError: it is no store, or one of another schema version.
    """
    plan, runs = read_plan(out), load_runs(out)
    findings, store = Findings(out), RunStore(out)
    logs = read_logs(store, findings)
    check_plan(store, plan, findings)
    check_runs(read_runs(store, plan, findings), logs, findings)
    check_tuning(out, plan, findings)
    with threadpool_limits(1):  # as the report was built
        check_report(runs, findings)
    return findings


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and list; the exit code: 0 nothing differs, 1 something does, 2 no store."""
    parser = Parser(prog="python -m reports.verify", description=__doc__)
    parser.add_argument("path", type=Path, metavar="DIR", help="an output folder, or a bundle")
    args = parser.parse_args(arguments)
    return exit_code(parser.prog, partial(_list, args.path), ConfigError, RecordError)


def _list(path: Path) -> int:
    with opened(path) as out:
        findings = verify(out)
    sys.stdout.write("\n".join(findings.lines) + "\n")
    return FAILED if findings.differences else OK


if __name__ == "__main__":
    sys.exit(main())
