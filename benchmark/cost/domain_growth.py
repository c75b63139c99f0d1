"""The growth of parameters and multiply-adds with the number of domains, counted, for the store.

Nothing is trained or timed: the models have the paper's sizes, on a random log like an ad log, and
of many domains they exist without storage. `python -m benchmark.speed scaling` adds seconds.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import pairwise, product
from typing import TYPE_CHECKING

from benchmark.config import digest_of
from benchmark.protocol import PAPER
from benchmark.store.environment import ROOT
from benchmark.store.files import write_whole
from datasets.files import file_digest
from models.own_code import one_line
from models.registry import plugin_digests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from benchmark.config import Json, RunConfig
    from models.ctr_model import CTRModel

NUMS_DOMAINS = (10, 100, 1_000, 5_000)
BACKBONE = "dnn"
FEW_DOMAINS, FEW_ROWS = 10, 512  # enough to see what a method copies per domain
BYTES = 4  # of a parameter in float32
SOURCES = ("models/**/*.py", "benchmark/**/*.py", "datasets/spec.py", "datasets/loader.py")


def store_growth(out: Path, methods: Sequence[str]) -> list[str]:
    """Write `<out>/cost/scaling.csv`, unless this program has written it for these methods.

    A method whose code raises is left out, and is tried again by the next call; a line for each.

    Raises:
        OSError: the output folder cannot be written.
    """
    path = out / "cost" / "scaling.csv"
    if _program_of(path) == _program(methods):
        return []
    import polars as pl

    rows: list[dict[str, Json]] = []
    failed: dict[str, str] = {}
    for sizes, method in product(PAPER, methods):
        try:
            rows += growth(sizes, method)
        except Exception as error:  # whatever a plug-in raises
            failed[method] = one_line(error)
    program = _program([method for method in methods if method not in failed])
    counted = [{"program": program, **row} for row in rows if row["method"] not in failed]
    if counted:
        write_whole(path, pl.DataFrame(counted).write_csv)
    return [f"counts of {method} over domains: {line}" for method, line in failed.items()]


def growth(sizes: str, method: str) -> Iterator[dict[str, Json]]:
    """Per number of domains what is served of a method, and a row's work.

    `sizes` are those of the paper's log of that name. `parameters` are served beside the embedding
    table, `served_bytes` with it.
    `claim` is the paper's count of the computation (AdaSparse, section 3.1.3) with a factor of 1,
    summed over the hidden layers; None for a method of which it says nothing.
    """
    import torch  # slow, and most calls find the file as it should be

    from benchmark.cost.counts import parameter_counts
    from benchmark.cost.random_log import ad_log_schema, config_on
    from benchmark.training.build import assemble

    protocol = replace(PAPER[sizes], batch_size=FEW_ROWS)
    config = config_on(ad_log_schema(FEW_DOMAINS), protocol, BACKBONE, method)
    per_domain, multiply_adds = _counted_on_few(config)
    for num_domains in NUMS_DOMAINS:
        with torch.device("meta"):
            model = assemble(config, ad_log_schema(num_domains))
        counts = parameter_counts(model, model)
        held = counts["dense_parameters"] + counts["domain_parameters"]
        parameters = held + num_domains * per_domain
        yield {
            "sizes": sizes,
            "backbone": BACKBONE,
            "method": method,
            "num_domains": num_domains,
            "parameters": parameters,
            "served_bytes": BYTES * (parameters + counts["embedding_parameters"]),
            "multiply_adds": multiply_adds,
            "claim": _claim(config, model, num_domains),
        }


def _counted_on_few(config: RunConfig) -> tuple[int, int]:
    """The parameters adapted to each domain and served beside a method's own, and a row's work.

    A row is computed for its own domain: its multiply-adds do not depend on how many there are.
    """
    from benchmark.cost.counts import multiply_adds, parameter_counts
    from benchmark.cost.random_log import AD_LOG, ad_log_schema, random_rows
    from benchmark.training.build import build
    from benchmark.training.trainer import TrainSplit

    schema = ad_log_schema(FEW_DOMAINS, num_ids=sum(AD_LOG) + FEW_ROWS)
    rows = random_rows(schema, FEW_ROWS)
    split = TrainSplit(rows, range(FEW_ROWS), FEW_ROWS)
    model = build(config, schema, base_rate=0.5)
    adapted, own = (parameter_counts(model, p) for p in (model.method.adapt(model, split), model))
    copied = adapted["served_parameters"] - own["served_parameters"]
    work = multiply_adds(model, rows)["multiply_adds"]
    return copied // len(split.task_id.unique()), work


def _claim(config: RunConfig, model: CTRModel, num_domains: int) -> int | None:
    """The claim of a method's entry over the hidden layers; None without one."""
    from models.registry import load_method

    entry = load_method(config.method)
    if entry.claim is None:
        return None
    options, shape = entry.config(**config.method_config), model.method.shape
    layers = pairwise((shape.n_input, *shape.hidden_dims))
    return num_domains * sum(entry.claim.of_layer(options, *layer) for layer in layers)


def _program(methods: Sequence[str]) -> str:
    """The digest of all that counts follow from: these methods and the files of the program."""
    files = {
        path.relative_to(ROOT).as_posix(): file_digest(path)
        for pattern in SOURCES
        for path in sorted(ROOT.glob(pattern))
    }
    for method in methods:
        files |= plugin_digests(BACKBONE, method)
    return digest_of({"methods": list(methods), "files": dict(files)})[:12]


def _program_of(path: Path) -> str | None:
    """The program that wrote the file; None if there is none, or it cannot be read."""
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            return next(csv.DictReader(lines), {}).get("program")
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
