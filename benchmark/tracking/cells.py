"""The runs that MLflow is to show of a store, as plain values; knows no MLflow.

A cell is the slots that differ in seed and draw alone. Its run has one level of runs below it: its
final runs and the trials of its search, those that have ended.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl
from polars import selectors

from benchmark.config import digest_of
from benchmark.store.files import RecordError, named_damage, read_json, read_sealed
from benchmark.store.records import ERROR, LATENCY, RECORD, WEIGHTS
from benchmark.store.trials import best_of, read_trials, trial_path
from datasets.files import file_digest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmark.config import Json, RunConfig
    from benchmark.protocol import Protocol
    from benchmark.store.plan import Plan, Search
    from benchmark.store.records import RunStore
    from benchmark.store.trials import Trial

KEY_LENGTH = 12
_OF_TRIALS = ("epochs", "row_passes", "seconds", "cpu_seconds")
MAIN = "main"  # the study whose best cell is the winner
SEAL = "seal"  # the tag that changes with what a run found
MEASURED = "measured"  # the tag that changes with what was measured of its model later
OWN = ("seed", "draw", "data_fingerprint")  # of the runs of a cell
HYPER_PARAMETERS = ("backbone_config", "method_config", "regularisers")
HISTORY = "history.csv"

Status = Literal["RUNNING", "FINISHED", "FAILED"]
NOT_FINISHED: tuple[Status, ...] = ("RUNNING", "FAILED")  # a cell, if any of its runs is so
Point = tuple[str, float, int]  # metric, value, optimiser step
Terms = tuple[str, tuple[str, ...], "Protocol"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRun:
    """A run to show; times are in seconds since 1970.

    `key` is its own, whatever it found. `unshared` are the fields of its configuration that it does
    not show. `series` are points beside its metrics.
    """

    key: str
    name: str
    config: RunConfig
    tags: Mapping[str, str]
    metrics: Mapping[str, float]
    started: float
    ended: float
    status: Status
    files: Sequence[Path] = ()
    unshared: Collection[str] = ()
    series: Sequence[Point] = ()

    @property
    def is_final(self) -> bool:
        """True of a final run that is done."""
        return self.tags["stage"] == "final" and self.status == "FINISHED"

    @property
    def params(self) -> dict[str, str]:
        """The configuration as flat texts; hyper-parameters are named as searches name them."""
        content = self.config.to_json()
        texts = flat({name: content[name] for name in content if name not in self.unshared})
        return {name.replace("_config.", "."): text for name, text in texts.items()}

    def points(self) -> Iterator[Point]:
        """The metrics at step 0, and curves and schedules under names of their own."""
        for name, value in self.metrics.items():
            yield name, value, 0
        yield from self.series
        for path in self.files:
            if path.name == HISTORY:
                yield from _history(pl.read_csv(path, infer_schema_length=None, glob=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownCell:
    """The run of a cell and those below it; `is_main` if it competes for the winner.

    `finals` are the final runs that are done, by draw and seed.
    """

    run: ShownRun
    children: Sequence[ShownRun]
    finals: Sequence[ShownRun]
    is_main: bool

    @property
    def score(self) -> float:
        """The mean dev AUC; below all others where it is undefined."""
        score = self.run.metrics.get("dev/auc/mean", math.nan)
        return -math.inf if math.isnan(score) else score


def cells_of(store: RunStore, plan: Plan) -> list[ShownCell]:
    """The cells of a plan and of former calls that have a child, the plan's first, in its order."""
    return _Collector(store, plan).cells()


class _Collector:
    """Puts the runs of a plan and of former calls together as cells."""

    def __init__(self, store: RunStore, plan: Plan) -> None:
        self._store, self._whole = store, plan.whole
        self._studies = _studies_of_slots(plan)
        self._main = _competing(plan.calls_of(MAIN), self._whole.slots)
        self._partitions: dict[str, set[tuple[str, ...]]] = {}
        for config in self._whole.slots.values():
            self._partitions.setdefault(config.dataset, set()).add(config.partition)

    def cells(self) -> list[ShownCell]:
        slots: dict[str, list[str]] = {}
        for slot, config in self._whole.slots.items():
            slots.setdefault(group_of(config), []).append(slot)
        searches: dict[str, tuple[Search, list[Trial]]] = {}
        for search in self._whole.searches:
            if trials := read_trials(self._store.out / search.folder, search.num_trials):
                searches.setdefault(group_of(trials[0].config), (search, trials))  # the latest
        groups = {**slots, **searches}
        cells = [self._cell(group, slots.get(group, []), searches.get(group)) for group in groups]
        return [cell for cell in cells if cell]

    def _cell(
        self, group: str, slots: list[str], tuning: tuple[Search, list[Trial]] | None
    ) -> ShownCell | None:
        ends = {slot: self._final(slot) for slot in slots}
        states = {end.status if end else self._open(slot) for slot, end in ends.items()}
        children = [end for end in ends.values() if end]
        metrics: dict[str, float] = {}
        if tuning:
            search, trials = tuning
            children += [_trial(self._store.out, search, trial) for trial in trials]
            states |= {"RUNNING"} if len(trials) < search.num_trials else set()
            metrics = _metrics_of_search(trials)
        if not children:
            return None
        studies = {study for slot in slots for study in self._studies.get(slot, ())}
        name = self._name(children[0].config)
        labels = {"studies": ",".join(sorted(studies)), "cell": name}
        children = [
            replace(child, name=f"{name}, {child.name}", tags={**child.tags, **labels})
            for child in children
        ]
        done = (child for child in children if child.is_final)
        finals = sorted(done, key=lambda child: (child.config.draw or 0, child.config.seed))
        config, metrics = children[0].config, metrics | _means(finals)
        seal = digest_of({name: repr(value) for name, value in metrics.items()})
        run = ShownRun(
            key=f"cell/{group}",
            name=name,
            config=config,
            unshared=_unshared(config),
            tags=_base_tags(config) | {"stage": "cell", SEAL: seal} | labels,
            metrics=metrics,
            started=min(child.started for child in children),
            ended=max(child.ended for child in children),
            series=_by_seed(finals),
            status=next((state for state in NOT_FINISHED if state in states), "FINISHED"),
        )
        is_main = not self._main.isdisjoint(slots)
        return ShownCell(run=run, children=children, finals=finals, is_main=is_main)

    def _name(self, config: RunConfig) -> str:
        """The model and its changes; the domains too where the data set has cells on others."""
        changes = f" ({', '.join(config.changes)})" if config.changes else ""
        partitions = self._partitions.get(config.dataset, {config.partition})
        domains = f", {'+'.join(config.partition)}" if len(partitions) > 1 else ""
        return f"{config.model}{changes}{domains}"

    def _open(self, slot: str) -> Status:
        """The status of a slot without a run that can be shown."""
        return "FAILED" if self._whole.state_of(slot) == "failed" else "RUNNING"

    def _final(self, slot: str) -> ShownRun | None:
        """The final run of a slot if it has ended and its record can be trusted."""
        if slot in self._whole.waiting:
            return None
        config = self._whole.slots[slot]
        folder, state = self._store.run_folder(config), self._store.marked_state(config)
        try:
            if state == "done":
                return _done(folder, slot, config)
            return _failed(folder, slot, config) if state == "failed" else None
        except RecordError:
            return None


def winners(cells: Iterable[ShownCell]) -> dict[str, ShownRun]:
    """Per data set the first seed of the main cell with the highest mean dev AUC.

    Data sets whose main cells have not all ended have none yet.
    """
    mains: dict[str, list[ShownCell]] = {}
    for cell in cells:
        if cell.is_main:
            mains.setdefault(cell.run.config.dataset, []).append(cell)
    found = {}
    for dataset, competing in mains.items():
        whole = [c for c in competing if c.run.status == "FINISHED" and c.score > -math.inf]
        if whole and all(cell.run.status != "RUNNING" for cell in competing):
            found[dataset] = max(whole, key=lambda cell: cell.score).finals[0]
    return found


def source_of(store: RunStore, cells: Iterable[ShownCell]) -> str:
    """The description of the data set of some cells by a card of theirs, empty without one."""
    for child in chain.from_iterable(cell.children for cell in cells):
        try:
            return str(store.read_card(child.config.data_fingerprint)["source"])
        except RecordError:
            continue
    return ""


def group_of(config: RunConfig) -> str:
    """The digest of all that the slots of a cell share: neither seed, draw nor what is tuned."""
    content = config.identity()
    shared = {name: content[name] for name in content if name not in (*OWN, *HYPER_PARAMETERS)}
    return digest_of(shared | config.family)[:KEY_LENGTH]


def flat(content: Mapping[str, Json], prefix: str = "") -> dict[str, str]:
    """Nested values as texts under names with dots; lists have commas between."""
    names: dict[str, str] = {}
    for name, value in content.items():
        if isinstance(value, dict):
            names |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, list):
            names[f"{prefix}{name}"] = ",".join(map(str, value))
        else:
            names[f"{prefix}{name}"] = str(value)
    return names


def _studies_of_slots(plan: Plan) -> dict[str, set[str]]:
    """The studies of every slot, those of former calls on this folder too."""
    studies: dict[str, set[str]] = {}
    for study in {*plan.studies, *plan.former.studies}:
        for slot in chain.from_iterable(plan.calls_of(study)):
            studies.setdefault(slot, set()).add(study)
    return studies


def _competing(calls: Sequence[Collection[str]], slots: Mapping[str, RunConfig]) -> set[str]:
    """The main slots among which a winner is chosen; none where the cell of one is not known.

    Per data set those that can be compared with the latest call's, former ones too.

    Args:
        calls: the main slots call by call, the latest first.
        slots: the runs of all slots.
    """
    main = set(chain.from_iterable(calls))
    if not main <= slots.keys():
        return set()
    terms: dict[str, set[Terms]] = {}
    for call in reversed(calls):  # a later call's replace those of a former one
        of_call: dict[str, set[Terms]] = {}
        for config in (slots[slot] for slot in call):
            of_call.setdefault(config.dataset, set()).add(_terms_of(config))
        terms |= of_call
    return {slot for slot in main if _terms_of(slots[slot]) in terms[slots[slot].dataset]}


def _terms_of(config: RunConfig) -> Terms:
    """Log, domains and unnamed protocol: scores that share them can be compared."""
    return digest_of(config.family), config.partition, replace(config.protocol, name="")


def _unshared(config: RunConfig) -> tuple[str, ...]:
    """The fields in which runs of a cell differ, and plug-ins if there are none."""
    own = OWN if config.draw is not None else ("seed",)
    return (*own, *HYPER_PARAMETERS, *(() if config.plugins else ("plugins",)))


def _base_tags(config: RunConfig) -> dict[str, str]:
    """The tags that a cell and all its children share."""
    return {
        "dataset": config.dataset,
        "partition": "+".join(config.partition),
        "backbone": config.backbone,
        "method": config.method,
        "protocol_hash": digest_of(asdict(config.protocol))[:KEY_LENGTH],
        **({"data_fingerprint": config.data_fingerprint} if config.draw is None else {}),
    }


def _child_tags(
    config: RunConfig, stage: str, mark: Path, environment: Mapping[str, Json] | None
) -> dict[str, str]:
    """The tags of a child; `mark` is the file that says how it ended."""
    return {
        **_base_tags(config),
        **({} if config.draw is None else {"draw": str(config.draw)}),
        "stage": stage,
        "data_fingerprint": config.data_fingerprint,
        "seed": str(config.seed),
        "run_id": config.run_id,
        "commit": str((environment or {}).get("commit") or ""),
        SEAL: file_digest(mark),
    }


def _done(folder: Path, slot: str, config: RunConfig) -> ShownRun:
    path = folder / RECORD
    content = read_sealed(path)
    with named_damage(path):
        timing = content["timing"]
        started = datetime.fromisoformat(timing["started"]).timestamp()
        return ShownRun(
            key=f"final/{slot}",
            name=config.replicate,
            config=config,
            tags=_child_tags(config, "final", path, content["environment"]) | _measured(folder),
            metrics={
                f"{split}/{name}": math.nan if value is None else float(value)
                for split, values in content["metrics"].items()
                for name, value in values.items()
            },
            started=started,
            ended=started + timing["train_seconds"] + timing["evaluate_seconds"],
            status="FINISHED",
            files=[
                file
                for file in sorted(folder.iterdir())
                if file.is_file() and file.name != WEIGHTS and not file.name.startswith(".")
            ],  # of the weights the winner's alone are wanted, in a model
        )


def _measured(folder: Path) -> dict[str, str]:
    """The tag of a run whose latency was measured."""
    path = folder / LATENCY
    return {MEASURED: file_digest(path)} if path.is_file() else {}


def _failed(folder: Path, slot: str, config: RunConfig) -> ShownRun:
    path = folder / ERROR
    error, ended = str(read_json(path).get("error")), path.stat().st_mtime
    return ShownRun(
        key=f"final/{slot}",
        name=config.replicate,
        config=config,
        tags=_child_tags(config, "final", path, None) | {"error": error},
        metrics={},
        started=ended,
        ended=ended,
        status="FAILED",
        files=[path],
    )


def _trial(out: Path, search: Search, trial: Trial) -> ShownRun:
    """A trial that has ended, complete or failed."""
    path, config = trial_path(out / search.folder, trial.index), trial.config
    ended = path.stat().st_mtime
    own = {"search": search.folder} | ({"error": trial.error} if trial.error else {})
    metrics = {name: float(getattr(trial, name)) for name in _OF_TRIALS}
    if trial.value is not None:
        metrics[f"dev/{config.protocol.selection_metric}"] = trial.value
    return ShownRun(
        key=f"tune/{search.folder}/{trial.index:03}",
        name=f"trial {trial.index}",
        config=config,
        tags=_child_tags(config, "tune", path, trial.environment) | own,
        metrics=metrics,
        started=ended - trial.seconds,
        ended=ended,
        status="FAILED" if trial.state == "failed" else "FINISHED",
        files=[path],
    )


def _metrics_of_search(trials: Sequence[Trial]) -> dict[str, float]:
    failed = sum(trial.state == "failed" for trial in trials)
    metrics = {"tune/trials": float(len(trials)), "tune/failed_trials": float(failed)}
    best = best_of(trials)
    if best and best.value is not None:
        metric = best.config.protocol.selection_metric
        metrics |= {f"tune/best_dev_{metric}": best.value, "tune/best_trial": best.index}
    return metrics


def _means(finals: Sequence[ShownRun]) -> dict[str, float]:
    """Means and standard deviations over seeds."""
    metrics: dict[str, float] = {"seeds": len(finals)} if finals else {}
    for name in finals[0].metrics if finals else ():
        values = [final.metrics.get(name, math.nan) for final in finals]
        metrics[f"{name}/mean"] = float(np.mean(values))
        if len(values) > 1:
            metrics[f"{name}/std"] = float(np.std(values, ddof=1))
    return metrics


def _by_seed(finals: Sequence[ShownRun]) -> list[Point]:
    """The metrics of the final runs one after the other, in the place of steps from 1 on."""
    return [
        (f"{name}/by_seed", value, place)
        for place, final in enumerate(finals, 1)
        for name, value in final.metrics.items()
    ]


def _history(history: pl.DataFrame) -> Iterator[Point]:
    """Curves by the row's split; other columns of train rows are schedules, once each."""
    index = ("step", "epoch", "split")
    values = history.unpivot(selectors.numeric().exclude(index), index=index)
    values = values.drop_nulls("value").filter(~pl.col("value").cast(float).is_nan())
    of_train = pl.col("split") == "train"
    is_schedule = of_train.any().over("variable") & ~pl.col("variable").is_in(["loss", "auc"])
    curve = pl.concat_str(pl.lit("curve"), "split", separator="/")
    place = pl.when(is_schedule).then(pl.lit("schedule")).otherwise(curve)
    name = pl.concat_str(place, "variable", separator="/")
    points = values.filter(of_train | ~is_schedule).select(
        name, pl.col("value").cast(float), "step"
    )
    yield from points.iter_rows()
