"""Builds the report of an output folder: one page, and every table and figure as files."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
from threadpoolctl import threadpool_limits

from benchmark import metrics
from benchmark.config import ConfigError, Json, digest_of
from benchmark.store.files import write_text, write_whole
from benchmark.store.plan import read_plan
from benchmark.store.records import RECORD, RunStore
from benchmark.store.trials import trial_path
from datasets.files import file_digest, locked
from reports.analysis_plan import NAME as ANALYSIS_PLAN
from reports.analysis_plan import digest as plan_digest
from reports.look.part import Figure, in_page_order, rendered
from reports.look.table import Table, to_latex, to_markdown
from reports.page.content import SAMPLE, Section, render_page
from reports.reading.ledger import budget_errors, read_searches
from reports.reading.load import Runs, load_runs
from reports.reading.warnings import warnings_of

PAGE = "index.html"
MANIFEST = "manifest.json"
MOST_LOGGED = 20  # warnings

logger = logging.getLogger(__name__)


def build(out: Path) -> Path:
    """Write `<out>/report` from what is in the run folders, and return its page.

    Nothing is written when neither the input nor this package nor the written files have changed
    since the last time. The manifest comes last, so that an interrupted build is done again.

    Raises:
        RecordError: there is no plan, or it cannot be read.
        OSError: the output folder cannot be written.
    """
    runs = load_runs(out)
    folder = out / "report"
    with locked(out / ".report.lock"), threadpool_limits(1):  # many small products: faster so
        warnings = warnings_of(runs)
        digest = _input_digest(runs, warnings)
        previous = _read_manifest(folder)
        if previous is None or previous["input"] != digest:
            files = _files(runs, warnings)
            for name, content in files.items():
                write_whole(folder / name, partial(Path.write_bytes, data=content))
            for name in set(previous["files"] if previous else []) - set(files):
                (folder / name).unlink(missing_ok=True)
            digests = {name: file_digest(folder / name) for name in files}
            manifest = {"input": digest, "analysis_plan": plan_digest(), "files": digests}
            text = json.dumps(manifest, indent=1)
            write_text(folder / MANIFEST, text + "\n")
    for line in warnings[:MOST_LOGGED]:
        logger.warning("%s", line)
    if len(warnings) > MOST_LOGGED:
        logger.warning("and %d more, listed in the report", len(warnings) - MOST_LOGGED)
    return folder / PAGE


def problems_of(out: Path) -> list[str]:
    """Failed cells and unequal budgets of the last call, one line each.

    Raises:
        RecordError: there is no plan, or it cannot be read.
    """
    plan, store = read_plan(out), RunStore(out)
    failed = [
        f"{config.title}: {plan.waiting.get(slot) or store.read_error(config)}"
        for slot, config in plan.slots.items()
        if (plan.state_of(slot) or store.marked_state(config)) == "failed"
    ]
    return failed + budget_errors(read_searches(out, plan))


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


def _files(runs: Runs, warnings: list[str]) -> dict[str, bytes]:
    """All files of the report, the page last."""
    files: dict[str, bytes] = {}
    sections = []
    for name, part in load_parts().items():
        numbers = part.tabulate(runs)
        if len(numbers):
            own, section = _section(name, part, numbers)
            files |= own
            sections.append(section)
    files[PAGE] = render_page(runs, sections, warnings).encode()
    return files


def texts_of(name: str, part: Table | Figure, numbers: pd.DataFrame) -> dict[str, str]:
    """The files of a table, or the numbers of a figure."""
    csv = numbers.to_csv(index=False)
    if not isinstance(part, Table):
        return {f"figures/{name}.csv": csv}
    layout = part.arrange(numbers)
    return {
        f"tables/{name}.csv": csv,
        f"tables/{name}.md": to_markdown(part.title, layout),
        f"tables/{name}.tex": to_latex(part.title, layout),
    }


def _section(
    name: str, part: Table | Figure, numbers: pd.DataFrame
) -> tuple[dict[str, bytes], Section]:
    """The files of a part, and its section of the page."""
    files = {path: text.encode() for path, text in texts_of(name, part, numbers).items()}
    section = Section(name=name, title=part.title, studies=part.studies, files=tuple(files))
    if isinstance(part, Table):
        return files, replace(section, layout=part.arrange(numbers))
    images = rendered(part, numbers)
    files = {f"figures/{name}.{kind}": image for kind, image in images.items()} | files
    notes = part.notes(numbers)
    return files, replace(section, files=tuple(files), image=images["png"], notes=notes)


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
        *(record.path / RECORD for record in runs.records),
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


def _read_manifest(folder: Path) -> dict[str, dict[str, str] | str] | None:
    """The manifest of the last build; None if it is absent, broken, or a file has changed."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        is_whole = all(
            file_digest(folder / name) == digest for name, digest in manifest["files"].items()
        )
        is_whole &= isinstance(manifest["input"], str)
    except (AttributeError, KeyError, OSError, TypeError, ValueError):
        return None
    return manifest if is_whole else None
