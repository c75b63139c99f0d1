"""Checks a store or a bundle: `python -m reports.verify DIR`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

from benchmark.config import ConfigError
from benchmark.store.files import RecordError
from benchmark.store.plan import read_plan
from benchmark.store.records import RunStore
from datasets.command_line import FAILED, OK, Parser, exit_code
from reports.reading.findings import Findings
from reports.reading.folders import read_runs
from reports.reading.load import load_runs
from reports.verification.archive import opened
from reports.verification.artefacts import check_report
from reports.verification.logs import read_logs
from reports.verification.planned import check_plan
from reports.verification.scores import check_runs
from reports.verification.tuning import check_tuning

if TYPE_CHECKING:
    from collections.abc import Sequence


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
