"""The way in from Python: load a log, train a model, score raw rows, read the results of a store.

    from benchmark.api import load, results, train

    log = load("synthetic_production")
    model = train(log, backbone="dnn", method="star", seed=1)
    model.metrics["test"]["auc"]
    model.predict_proba(frame)  # raw rows, pandas or polars
    model.save("my_model")
    results("benchmark/runs")

A training is that of `run_all.py`: of one configuration both have one run id and the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.command_line.listing import card_lines
from benchmark.config import ConfigError
from benchmark.planning.selection import Selection
from benchmark.protocol import DEFAULT_PRESET, PRESETS
from benchmark.store.table import table_of_runs
from datasets.catalog import PREPARED_DIR
from datasets.frames import keep_frame, polars_frame
from datasets.spec import DataError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import polars as pl
    from numpy.typing import NDArray

    from benchmark.config import Json, RunConfig
    from benchmark.store.records import RunResult
    from datasets.prepare import PreparedData
    from datasets.spec import DatasetSpec
    from models.saved import SavedModel

    Frame = pd.DataFrame | pl.DataFrame

FRAMES_DIR = PREPARED_DIR.with_name("frames")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LoadedLog:
    """A prepared log, and the preset whose protocol its models are trained under.

    `name` is its `--data` value, of a frame the TOML file that describes it. `remarks` are those of
    `datasets.describe` on what it proposed: read them for columns that may leak the label.
    """

    name: str
    prepared: PreparedData
    selection: Selection
    remarks: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return "\n".join(line.strip() for line in card_lines(self.card))

    @property
    def spec(self) -> DatasetSpec:
        """Label, timestamp, features and domain columns."""
        return self.prepared.spec

    @property
    def card(self) -> dict[str, Any]:
        """Facts of the log and of its split, as in `card.json` of a store."""
        return self.prepared.card

    @property
    def domains(self) -> pd.DataFrame:
        """One row per domain: its values, and the impressions and clicks of each split."""
        return self.prepared.domains().to_pandas()

    @property
    def examples(self) -> pd.DataFrame:
        """A few raw rows of test, as `predict_proba` takes them."""
        return self.prepared.encoders().examples.to_pandas()


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ScoringModel:
    """A trained model that scores raw rows of its log."""

    saved: SavedModel

    def predict_proba(self, frame: Frame) -> NDArray[np.float64]:
        """The click probability of each row (N,).

        Args:
            frame: raw rows (N, columns), pandas or polars. The features must be there, the label
                and other columns may be. Values that train has not seen are allowed.

        Raises:
            DataError: a column is missing, or a value is not allowed.
        """
        from benchmark.training.frames import polars_rows
        from benchmark.training.process import one_thread  # torch is slow to import

        with one_thread():
            return self.saved.predict_proba(polars_rows(frame, self.saved.encoders.columns))

    def save(self, folder: str | Path) -> None:
        """Write the model into a new folder, for `load_model` and `python -m models.predict`.

        Raises:
            ModelError: there is something of that name.
            OSError: it cannot be written.
        """
        self.saved.write(Path(folder))


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TrainedModel(ScoringModel):
    """A model with its training: of `config`, which a run of `run_all.py` may have too."""

    config: RunConfig
    result: RunResult

    def __repr__(self) -> str:
        test = self.metrics["test"]
        scores = f"test AUC {test['auc']:.4f}, GAUC {test['gauc']:.4f}"
        return f"{self.config.short_title} seed {self.config.seed}: {scores}"

    @property
    def run_id(self) -> str:
        """The id of the run, by its data, protocol, model, values and seed."""
        return self.config.run_id

    @property
    def metrics(self) -> Mapping[str, Mapping[str, float]]:
        """The metrics of dev and test by name, nan where undefined."""
        return self.result.metrics

    @cached_property
    def history(self) -> pd.DataFrame:
        """Step by step the loss on train, and the scores on dev."""
        return self.result.history.to_pandas()

    @cached_property
    def domains(self) -> pd.DataFrame:
        """One row per domain: its values, its rows and clicks, and the metrics within it on test.

        Row i is of eval domain i; AUC is nan where a domain has one class.
        """
        return self.result.domains.to_pandas()

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per dev and test row: split, row_id, eval_domain_id, label and logit."""
        return self.result.predictions.to_pandas()


def load(
    log: str | Path | Frame,
    folder: str | Path | None = None,
    *,
    preset: str = DEFAULT_PRESET,
    **description: object,
) -> LoadedLog:
    """Prepare a log, or open it from the cache of `run_all.py`.

    Args:
        log: a `--data` value, such as `kuairand`, `synthetic_production@2`, `kuairand/tab` or the
            path of a TOML file; or a pandas or polars frame.
        folder: the raw files of a log of the catalog (default: datasets/data/raw/NAME).
        preset: the rows that are kept and the protocol, as `--preset`.
        **description: of a frame: keys of a TOML file (docs/data.md), such as `label="click"`,
            `partition=["scenario"]`, `timestamp="time"` and `features=[...]`. What is left out is
            proposed as by `datasets.describe`; `timestamp=None` says that there is none. With
            label, partition and features nothing is proposed.

    Raises:
        ConfigError: there is no such preset.
        DataError: an unknown log, files or a description that do not fit, or no frame.

    Example:
        >>> load("synthetic_production@1/scenario", preset="smoke").domains.shape
        (7, 9)
    """
    if preset not in PRESETS:
        raise ConfigError(f"unknown preset {preset!r}; available: {', '.join(PRESETS)}")
    remarks: tuple[str, ...] = ()
    if not isinstance(log, str | Path):
        kept = keep_frame(polars_frame(log), FRAMES_DIR, description)
        log, remarks = kept.description, kept.remarks
    elif description:
        raise DataError(f"{', '.join(description)}: a description is of a frame; {log} has its own")
    selection = Selection(
        preset=PRESETS[preset],
        studies=(),
        data=(str(log),),
        world_rows=PRESETS[preset].world_rows,
        backbones=(),
        methods=(),
        num_trials=0,
        num_seeds=1,
        embedding_optimizer="sparse",
    )
    from benchmark.running.grid import prepare_log

    raw = None if folder is None else Path(folder)
    prepared = prepare_log(str(log), raw, PREPARED_DIR, selection)
    return LoadedLog(name=str(log), prepared=prepared, selection=selection, remarks=remarks)


def train(
    log: LoadedLog,
    backbone: str = "dnn",
    method: str = "star",
    seed: int = 1,
    **hyperparameters: Json,
) -> TrainedModel:
    """Train a network and evaluate it on dev and test, as a main cell of `run_all.py`.

    Dev picks the checkpoint. Nothing is searched: what is not given has the papers' values. It runs
    in this process with one thread; global random streams are then as they were before.

    Args:
        log: of `load`.
        backbone: `dnn`, `dcnv2` or a plug-in.
        method: `plain`, `maml`, `star`, `apg`, `adasparse` or a plug-in.
        seed: of the order of rows and of initial values.
        **hyperparameters: of method, backbone and regularisers, such as `dropout=0.1`; names are
            those of the tuning ledger, `method.inner_rate` being `inner_rate` where that is clear.

    Raises:
        ConfigError: an unknown model or hyper-parameter, or a value that is refused.
        NonFiniteLossError: training left the numbers.

    Example:
        >>> log = load("synthetic_production", preset="smoke")
        >>> train(log, method="adasparse", beta=3.0).config.method_config["beta"]
        3.0
    """
    from benchmark.planning.cells import configure
    from benchmark.planning.hyperparameters import params_of, with_params
    from benchmark.planning.studies import Change
    from benchmark.running.network_run import train_cell  # torch is slow to import
    from benchmark.training.build import design_of, seen_schema
    from benchmark.training.process import one_thread
    from benchmark.training.seeding import restored_streams
    from models.saved import SavedModel

    if not isinstance(log, LoadedLog):
        raise ConfigError(f"train takes a log of `load`, got a {type(log).__name__}; load it first")
    if not isinstance(seed, Integral) or seed < 0:
        raise ConfigError(f"seed must be a whole number from 0 on, got {seed!r}")
    data = log.prepared
    config = configure(log.selection, log.name, data, backbone, Change(method=method))
    config = replace(with_params(config, params_of(config, hyperparameters)), seed=int(seed))
    with one_thread(), restored_streams():
        result = train_cell(config, data)
    saved = SavedModel(
        design=design_of(config),
        schema=seen_schema(config, data.schema),
        weights=result.weights or {},
        encoders=data.encoders(),
    )
    return TrainedModel(saved=saved, config=config, result=result)


def load_model(folder: str | Path) -> ScoringModel:
    """Read a model that `save` wrote; a plug-in in it is code that is run.

    Raises:
        ModelError: it is no saved model, is damaged, or is of another format.
    """
    from models.saved import SavedModel  # torch is slow to import

    return ScoringModel(saved=SavedModel.read(Path(folder)))


def results(out: str | Path) -> pd.DataFrame:
    """The runs of an output folder of `run_all.py`, whichever call made them, a row each.

    Columns, in this order: dataset, partition (the domain columns), backbone, method, changes (what
    a study changed of the main cell, empty for the main cell itself), draw, seed; state (done,
    failed or missing), reason (why it is not done); ids of run, slot and data, and the protocol;
    metrics such as `dev_auc` and `test_gauc`; what the training was and cost; hyper-parameters such
    as `method.inner_rate`. What a row has not is missing in it.

    Raises:
        RecordError: there is no plan, or it cannot be read.

    Example:
        >>> frame = results("reports/reference")
        >>> sorted(set(frame[frame["changes"] == ""]["backbone"]))
        ['boosted_trees', 'dcnv2', 'dnn', 'logistic_regression']
    """
    return table_of_runs(Path(out))
