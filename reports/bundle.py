"""Writes the evidence for a paper as one zip: `python -m reports.bundle DIR`.

Equal stores give equal bytes: names are sorted, and times and modes of files fixed. MLflow's and
Optuna's files are copies, and stay out. Weights are part of it: the seal of a record covers them.
"""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from benchmark.config import ConfigError
from benchmark.store.files import RecordError, sole_writer, write_whole
from benchmark.store.plan import PLAN, read_plan
from datasets.command_line import FAILED, OK, Parser, exit_code
from reports.analysis_plan import NAME as ANALYSIS_PLAN
from reports.analysis_plan import digest as plan_digest
from reports.reading.findings import Findings
from reports.reading.folders import files_below
from reports.verify import verify

BUNDLE = "bundle.zip"
README = "README.txt"
FOLDERS = ("cost", "data", "report", "runs", "studies", "tuning")
ROOT = Path(__file__).resolve().parents[1]
BESIDE = ("CITATION.cff", "LICENSE", *sorted(path.name for path in ROOT.glob("requirements*.lock")))
EPOCH = (1980, 1, 1, 0, 0, 0)  # the first date of the format
COMPRESSED = {".npz", ".parquet", ".pdf", ".png"}  # as they are
TEXT = """\
Evidence of a benchmark of multi-domain CTR models (preset {preset}).
The report in it was made by the analysis plan {analysis}.

{summary}.

To check it, unpack the source code of the benchmark, install requirements.lock of this bundle with
Python 3.11 (pip install --require-hashes -r requirements.lock), and run in the source folder:

    python -m reports.verify bundle.zip

This recomputes every metric of dev and test from runs/**/predictions.parquet, every choice of
hyper-parameters from tuning/, and every table of report/ from the runs. The commit of the source
code is in the block "environment" of each runs/**/record.json.

analysis_plan.toml    if kept, what was to be concluded from the runs before the first of them
plan.json, studies/   the cells of the grid, and which study has which of them
runs/                 a folder per run: configuration, metrics, predictions, masks, kept weights
tuning/               a file per trial, and what each search chose
data/                 a folder per log: card, domains, and the true click probabilities of worlds
cost/                 tables of cost, where they were measured
report/               the page, tables and figures; open report/index.html
"""


def bundle(out: Path, target: Path) -> Findings:
    """Write the bundle of an output folder if nothing in it differs from what it says of itself.

    Raises:
        RecordError: it is no store, or one of another schema version.
        OSError: another process writes to it, or the target cannot be written.
    """
    with sole_writer(out):
        findings = verify(out)
        if not findings.differences:
            members = _members(out)
            readme = TEXT.format(
                preset=read_plan(out).preset,
                analysis=plan_digest()[:12],
                summary=findings.lines[-1],
            )
            write_whole(target, lambda part: _write(part, members, readme))
    return findings


def _members(out: Path) -> dict[str, Path]:
    """The files of a bundle by their names in it; hidden ones are rests of killed processes."""
    members = {name: ROOT / name for name in BESIDE} | {PLAN: out / PLAN}
    if (out / ANALYSIS_PLAN).is_file():
        members[ANALYSIS_PLAN] = out / ANALYSIS_PLAN
    for folder in FOLDERS:
        for path in files_below(out / folder):
            if not path.name.startswith("."):
                members[path.relative_to(out).as_posix()] = path
    return members


def _write(part: Path, members: dict[str, Path], readme: str) -> None:
    with zipfile.ZipFile(part, "w") as archive:
        archive.writestr(_entry(README), readme)
        for name in sorted(members):
            entry = _entry(name)
            entry.file_size = members[name].stat().st_size  # tells large files from others
            with members[name].open("rb") as source, archive.open(entry, "w") as member:
                shutil.copyfileobj(source, member)


def _entry(name: str) -> zipfile.ZipInfo:
    """A member that depends on its name alone."""
    entry = zipfile.ZipInfo(name, EPOCH)
    is_packed = Path(name).suffix in COMPRESSED
    entry.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
    entry.create_system = 3  # Unix, wherever it is written
    entry.external_attr = 0o644 << 16
    return entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Check and write; the exit code: 0 written, 1 something differs, 2 no store."""
    parser = Parser(prog="python -m reports.bundle", description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path, metavar="DIR", help="an output folder")
    parser.add_argument("--output", type=Path, metavar="FILE", help=f"default DIR/{BUNDLE}")
    args = parser.parse_args(arguments)
    act = partial(_bundle, args.out, args.output or args.out / BUNDLE)
    return exit_code(parser.prog, act, ConfigError, RecordError)


def _bundle(out: Path, target: Path) -> int:
    if not out.is_dir():
        raise RecordError(f"{out}: no such folder; name an output folder of run_all.py")
    findings = bundle(out.resolve(), target)
    sys.stdout.write("\n".join(findings.lines) + "\n")
    if findings.differences:
        sys.stdout.write(
            f"no bundle was written: {out} differs from what it says of itself; a report that"
            " is older than its runs or the program is rebuilt by run_all.py --report-only\n"
        )
        return FAILED
    sys.stdout.write(f"bundle: {target} ({target.stat().st_size / 2**20:,.1f} MiB)\n")
    return OK


if __name__ == "__main__":
    sys.exit(main())
