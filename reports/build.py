"""Builds the report of an output folder: one page, and every table and figure as files."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import traceback
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd
from threadpoolctl import threadpool_limits

from benchmark import metrics
from benchmark.config import ConfigError, Json, digest_of
from benchmark.store.failures import failures
from benchmark.store.files import write_text, write_whole
from benchmark.store.plan import read_plan
from benchmark.store.records import LATENCY, RECORD, RunStore
from benchmark.store.trials import trial_path
from datasets.files import file_digest, locked
from reports.analysis.answer import answer
from reports.analysis_plan import NAME as ANALYSIS_PLAN
from reports.analysis_plan import digest as plan_digest
from reports.look.fonts import remark, undrawn
from reports.look.part import Figure, in_page_order, rendered
from reports.look.table import Table, TableLayout, to_latex, to_markdown
from reports.page.content import SAMPLE, Picture, Section, render_page
from reports.page.summary import summary
from reports.reading.keys import DATA
from reports.reading.ledger import budget_errors, read_searches
from reports.reading.load import Runs, load_runs
from reports.reading.names import data_title
from reports.reading.warnings import warnings_of

PAGE = "index.html"
SUMMARY = "summary.txt"
MANIFEST = "manifest.json"
ERROR = ".error.txt"  # ends the name of a file with the traceback of a part that failed
MOST_LOGGED = 20  # warnings

logger = logging.getLogger(__name__)


class _Manifest(TypedDict):
    """The written files, their input, and what a reader must be told."""

    input: str  # digest of all that it was made of
    analysis_plan: str
    failed: list[str]  # a line for each table and figure
    undrawn: list[str]  # letters
    files: dict[str, str]  # digests


def build(out: Path) -> Path:
    """Write `<out>/report` from what is in the run folders, and return its page.

    Nothing is written when neither the input nor this package nor the written files have changed
    since the last time. The manifest comes last, so that an interrupted build is done again.
    A table or figure that fails costs its own section and is tried again at every call.

    Raises:
        RecordError: there is no plan, or it cannot be read.
        OSError: the output folder cannot be written.
    """
    runs = load_runs(out)
    folder = out / "report"
    with locked(out / ".report.lock"), threadpool_limits(1):  # many small products: faster so
        warnings = warnings_of(runs)
        digest = _input_digest(runs, warnings)
        manifest = _read_manifest(folder)
        if manifest is None or not _is_current(manifest, digest):
            manifest = _write(folder, _made(runs, warnings), manifest) | {"input": digest}
            write_text(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    warnings = [*manifest["failed"], *_remarks(manifest["undrawn"]), *warnings]
    for line in warnings[:MOST_LOGGED]:
        logger.warning("%s", line)
    if len(warnings) > MOST_LOGGED:
        logger.warning("and %d more, listed in the report", len(warnings) - MOST_LOGGED)
    return folder / PAGE


def problems_of(out: Path) -> list[str]:
    """Failed trainings, unequal budgets and failed parts of the report, one line each.

    Raises:
        RecordError: there is no plan, or it cannot be read.
    """
    plan = read_plan(out)
    failed = failures(RunStore(out), plan)
    return [*failed, *budget_errors(read_searches(out, plan)), *failed_parts(out)]


def failed_parts(out: Path) -> list[str]:
    """The tables and figures that failed in the last build, one line each."""
    manifest = _read_manifest(out / "report")
    return manifest["failed"] if manifest else []


def load_parts() -> dict[str, Table | Figure]:
    """The tables and figures by name, in the order of the page.

    Raises:
        ConfigError: the file of one exports none.
    """
    return in_page_order({**load_tables(), **load_figures()})


def load_tables() -> dict[str, Table]:
    """The tables by name, in the order of the page."""
    return in_page_order(_exported("tables", "TABLE"))


def load_figures() -> dict[str, Figure]:
    """The figures by name, in the order of the page."""
    return in_page_order(_exported("figures", "FIGURE"))


def with_studies(words: Sequence[str]) -> list[str]:
    """The words with each name of a table or figure replaced by the studies behind it."""
    parts = load_parts()
    return [name for word in words for name in (parts[word].studies if word in parts else [word])]


def _exported(kind: str, constant: str) -> dict[str, Any]:
    package = importlib.import_module(f"reports.{kind}")
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    found = {}
    for name in (name for name in names if not name.startswith("_")):
        try:
            found[name] = getattr(importlib.import_module(f"reports.{kind}.{name}"), constant)
        except (AttributeError, ImportError, TypeError) as error:
            raise ConfigError(
                f"reports/{kind}/{name}.py: {error}; see CONTRIBUTING.md, One file each"
            ) from error
    return found


@dataclass(slots=True)
class _Report:
    """A report as it is made: its files, its sections, and what a reader must be told."""

    files: dict[str, bytes] = field(default_factory=dict)
    sections: list[Section] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    undrawn: set[str] = field(default_factory=set)  # letters

    def add(self, name: str, part: Table | Figure, runs: Runs) -> None:
        """Add a table or figure that has rows."""
        numbers = part.tabulate(runs)
        if not len(numbers):
            return
        section = Section(
            name=name,
            title=part.title,
            section=part.section,
            is_folded=part.is_folded,
            studies=part.studies,
        )
        if isinstance(part, Table):
            layout = part.arrange(numbers)
            files = _encoded(table_texts(name, part, numbers, layout))
            section = replace(section, layout=layout)
        else:
            images, notes = rendered(part, numbers), part.notes(numbers)
            files = {f"figures/{name}.{k}": getattr(images, k) for k in ("png", "pdf")}
            files |= _encoded(figure_texts(name, numbers))
            whole = Picture(name=name, images=images)
            pictures = pictures_of(part, numbers, name, runs) or (whole,)
            section = replace(section, pictures=pictures, notes=notes)
            self.undrawn |= images.undrawn
        self.files |= files
        self.sections.append(replace(section, files=tuple(files)))


def _made(runs: Runs, warnings: list[str]) -> _Report:
    """All files of the report, the page last."""
    report = _Report()
    for name, part in load_parts().items():
        try:
            report.add(name, part, runs)
        except Exception as error:  # whatever one part raises, the others are of use
            path = error_file(name, part)
            report.files[path] = traceback.format_exc().encode()
            report.failed.append(
                f"{name} failed and is left out ({type(error).__name__}:"
                f" {' '.join(str(error).split())}); the traceback is in report/{path}"
            )
    told = [*report.failed, *_remarks(report.undrawn), *warnings]
    families = runs.study("main").families
    answers = {family: answer(runs, family) for family in families}
    report.files[SUMMARY] = summary(runs, answers).encode()
    report.files[PAGE] = render_page(runs, report.sections, told, answers).encode()
    return report


def pictures_of(
    figure: Figure, numbers: pd.DataFrame, name: str, runs: Runs
) -> tuple[Picture, ...]:
    """The figure log by log, where the report has several main logs and the figure tells them."""
    several = len(runs.study("main").families) > 1
    if not several or not set(DATA) <= set(numbers):
        return ()
    return tuple(
        Picture(
            name=f"{name}-{place}",
            images=rendered(figure, own, has_pdf=False),
            log=data_title(*map(str, log)),
        )
        for place, (log, own) in enumerate(numbers.groupby(DATA, sort=False))
    )


def error_file(name: str, part: Table | Figure) -> str:
    """The place of the traceback of a part that fails."""
    return f"{'tables' if isinstance(part, Table) else 'figures'}/{name}{ERROR}"


def _remarks(letters: Collection[str]) -> list[str]:
    return [remark(letters)] if letters else []


def _write(folder: Path, report: _Report, previous: _Manifest | None) -> _Manifest:
    """Write the files of a report, remove those of the previous one; its manifest."""
    for name, content in report.files.items():
        write_whole(folder / name, partial(Path.write_bytes, data=content))
    for name in set(previous["files"] if previous else []) - set(report.files):
        (folder / name).unlink(missing_ok=True)
    return {
        "input": "",
        "analysis_plan": plan_digest(),
        "failed": report.failed,
        "undrawn": sorted(report.undrawn),
        "files": {name: file_digest(folder / name) for name in report.files},
    }


def _is_current(manifest: _Manifest, digest: str) -> bool:
    """True of a whole report of this input; fonts that came since draw letters that were boxes."""
    letters = set(manifest["undrawn"])
    return manifest["input"] == digest and not manifest["failed"] and undrawn(letters) == letters


def texts_of(name: str, part: Table | Figure, numbers: pd.DataFrame) -> dict[str, str]:
    """The files of a table, or the numbers of a figure."""
    if isinstance(part, Table):
        return table_texts(name, part, numbers, part.arrange(numbers))
    return figure_texts(name, numbers)


def table_texts(
    name: str, part: Table, numbers: pd.DataFrame, layout: TableLayout
) -> dict[str, str]:
    """The files of a table that is laid out."""
    return {
        f"tables/{name}.csv": numbers.to_csv(index=False),
        f"tables/{name}.md": to_markdown(part.title, layout),
        f"tables/{name}.tex": to_latex(part.title, layout),
    }


def figure_texts(name: str, numbers: pd.DataFrame) -> dict[str, str]:
    """The file with the numbers of a figure."""
    return {f"figures/{name}.csv": numbers.to_csv(index=False)}


def _encoded(texts: Mapping[str, str]) -> dict[str, bytes]:
    return {path: text.encode() for path, text in texts.items()}


def _input_digest(runs: Runs, warnings: list[str]) -> str:
    """Covers warnings, cells, searches, studies, every file that is read, and the program."""
    package, of_metrics = Path(__file__).parent, Path(metrics.__file__).parent
    program: list[Json] = [
        file_digest(path)
        for path in sorted([*package.rglob("*"), *of_metrics.glob("*")])
        if path.suffix in (".py", ".j2", ".css", ".js", ".json", ".toml")
        and package / "reference" not in path.parents
    ]
    out, logs = runs.store.out, runs.fingerprints.values()
    read = [
        *(record.path / name for record in runs.records for name in (RECORD, LATENCY)),
        *(path for log in logs for path in runs.store.data_folder(log).iterdir()),
        *(
            trial_path(out / entry.search.folder, trial.index)
            for entry in runs.searches
            for trial in entry.trials
        ),
        *(out / "cost").glob("*.csv"),
        *(out / name for name in (SAMPLE, ANALYSIS_PLAN)),
    ]
    files: Json = {str(path.relative_to(out)): file_digest(path) for path in read if path.is_file()}
    studies: Json = {name: list(slots) for name, slots in runs.studies.items()}
    return digest_of(
        {
            "preset": runs.preset,
            "warnings": [*warnings],
            "studies": studies,
            "cells": [[one.slot_id, one.run_id, one.state, one.reason] for one in runs.cells],
            "searches": [[asdict(one.search), one.is_awaited] for one in runs.searches],
            "tuned_from": runs.tuned_from,
            "call": dict(runs.call),
            "files": files,
            "program": program,
        }
    )


def _read_manifest(folder: Path) -> _Manifest | None:
    """The manifest of the last build; None if it is absent, broken, or a file has changed."""
    try:
        manifest: _Manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        is_whole = all(
            file_digest(folder / name) == digest for name, digest in manifest["files"].items()
        )
        is_whole &= isinstance(manifest["input"], str)
        is_whole &= all(isinstance(manifest[name], list) for name in ("failed", "undrawn"))
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return None
    return manifest if is_whole else None
