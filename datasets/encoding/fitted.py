"""The codes of a whole log as files: fitted at preparation, and applied to raw rows later."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from datasets.encoding.by_value import TEXTS, WrittenValues, check_digits
from datasets.encoding.codes import BagCodes, NumberCodes, TokenCodes, numbers_of
from datasets.encoding.domains import values_of_domains
from datasets.encoding.tokens import MISSING
from datasets.raw.folders import FolderTable, folder_values
from datasets.raw.parquet import joined_lists
from datasets.raw.tables import named
from datasets.raw.writing import Notation, Writing
from datasets.spec import UNSEEN, DataError, FeatureSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from datasets.encoding.codes import Codes
    from datasets.raw.tables import RawTable

ENCODERS, TOKENS, DOMAIN_IDS = "encoders.json", "tokens.parquet", "domain_ids.parquet"
EXAMPLES = "examples.parquet"
FILES = (ENCODERS, TOKENS, DOMAIN_IDS, EXAMPLES)
ID = "domain_id"
NUM_IDS = 4  # last columns of the encoded rows: domain, task, evaluation domain, label
BLOCK_ROWS = 1 << 16


def row_of(row: int) -> str:
    """The place of a 0-based row of a frame."""
    return f"row {row + 1}"


@dataclass(frozen=True, eq=False, kw_only=True)
class FittedEncoders:
    """What turns raw rows of a log into the encoded rows that its models read.

    Train has fitted it. `features` and `codes` are in the order of the encoded columns, the
    representative first; `partition` names the columns whose joint values are the domains.
    `domain_ids` has their values, in columns named by their place, and the id of each domain of
    train. Values of a frame may be text as the log has it, or numbers and truth values, which are
    looked up by value: 7 is the token `007`, and True is `TRUE`. `examples` are a few rows of test.
    """

    log: str
    label: str
    features: tuple[FeatureSpec, ...]
    codes: Mapping[str, Codes]
    partition: tuple[str, ...]
    domain_ids: pl.DataFrame
    writing: Writing
    examples: pl.DataFrame

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of the log that are read."""
        return tuple(feature.name for feature in self.features)

    def encode(
        self, frame: pl.DataFrame, locate: Callable[[int], str] = row_of, first: int = 0
    ) -> np.ndarray:
        """The encoded rows (N, C) int32, columns as in `loader.column_names`.

        The last two, which no model reads, are 0.

        Args:
            frame: raw rows of the log; the label and other columns may be absent.
            locate: the file and line of a row, for errors.
            first: the number of the frame's first row.

        Raises:
            DataError: a column is missing, or a value is not allowed.
        """
        self._check_columns(frame.columns, "the rows")
        texts = self._texts(frame, locate, first)
        encoded = [self._codes_of(texts[name], locate, first) for name in self.columns]
        ids = np.zeros((NUM_IDS, len(frame)), dtype=np.int32)
        ids[0], ids[1] = self._domains_of(texts), encoded[0]  # the task is the representative
        return np.vstack([*encoded, ids]).T.copy()

    def encode_file(self, path: Path) -> Iterator[np.ndarray]:
        """The encoded rows of a file of the log, block by block, after a check of its lines.

        Raises:
            DataError: the file cannot be read, or its rows cannot be encoded.
        """
        table = self._open(path)
        num_rows, start = table.num_rows, 0
        rows = table.scan().select(map(named, self.columns))
        try:
            for block in rows.collect_batches(chunk_size=BLOCK_ROWS, engine="streaming"):
                yield self.encode(block, table.locate, start)
                start += len(block)
        except pl.exceptions.PolarsError as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: cannot be read ({reason}); is it damaged?") from None
        if start != num_rows:
            raise DataError(f"{path}: {num_rows} rows were counted but {start} read")

    def write(self, folder: Path) -> None:
        """Write `FILES` into a folder."""
        content = {
            "log": self.log,
            "label": self.label,
            "features": [asdict(feature) for feature in self.features],
            "partition": self.partition,
            "writing": {own.name: getattr(self.writing, own.name) for own in fields(Writing)}
            | {"notations": [asdict(own) for own in self.writing.notations]},
            "numbers": {
                name: _numbers_to_json(own)
                for name, own in self.codes.items()
                if isinstance(own, NumberCodes)
            },
        }
        (folder / ENCODERS).write_text(json.dumps(content, indent=1), encoding="utf-8")
        tokens = [
            pl.DataFrame({"token": own.tokens}).select(pl.lit(name).alias("column"), "token")
            for name, own in self._tokens.items()
        ]
        pl.concat(tokens).write_parquet(folder / TOKENS)
        self.domain_ids.write_parquet(folder / DOMAIN_IDS)
        self.examples.write_parquet(folder / EXAMPLES)

    @classmethod
    def read(cls, folder: Path) -> FittedEncoders:
        """Read what `write` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        try:
            content = json.loads((folder / ENCODERS).read_text(encoding="utf-8"))
            tokens = pl.read_parquet(folder / TOKENS, glob=False).partition_by(
                "column", as_dict=True, maintain_order=True, include_key=False
            )
            features = tuple(FeatureSpec(**own) for own in content["features"])
            numbers = content["numbers"]
            return cls(
                log=content["log"],
                label=content["label"],
                features=features,
                codes={own.name: _codes_from(own, numbers, tokens) for own in features},
                partition=tuple(content["partition"]),
                domain_ids=pl.read_parquet(folder / DOMAIN_IDS, glob=False),
                writing=_writing_from(content["writing"]),
                examples=pl.read_parquet(folder / EXAMPLES, glob=False),
            )
        except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
            reason = " ".join(str(error).split())
            raise DataError(
                f"{folder}: holds no fitted encoders ({type(error).__name__}: {reason}); prepare"
                " the log again, or save the model again"
            ) from None

    @property
    def _separators(self) -> dict[str, str]:
        return {own.name: own.separator for own in self.features if own.kind == "bag"}

    @cached_property
    def _tokens(self) -> dict[str, TokenCodes]:
        """The tokens of the features that have some."""
        of_bags = {name: own.words for name, own in self.codes.items() if isinstance(own, BagCodes)}
        own = {name: own for name, own in self.codes.items() if isinstance(own, TokenCodes)}
        return own | of_bags

    @cached_property
    def _written(self) -> dict[str, WrittenValues]:
        """The texts of columns by their values, made when they are first asked for."""
        return {}

    def _check_columns(self, present: Sequence[str], where: str) -> None:
        missing = [name for name in self.columns if name not in present]
        if missing:
            raise DataError(
                f"{where}: column {missing[0]!r} is missing; a model of the log {self.log!r} needs"
                f" {', '.join(self.columns)}"
            )

    def _open(self, path: Path) -> RawTable:
        table = self.writing.open(path, self.columns, self._separators)
        folders = folder_values(path.resolve(), Path(path.resolve().anchor))
        needed = [name for name in self.columns if name in folders and name not in table.columns]
        if needed:
            table = FolderTable(table, tuple((name, folders[name]) for name in needed))
        self._check_columns(table.columns, str(path))
        return table

    def _texts(self, frame: pl.DataFrame, locate: Callable[[int], str], first: int) -> pl.DataFrame:
        """The columns as tokens of the log, null where a value is missing."""
        tokens = [own.name for own in self.features if own.kind == "categorical"]
        for name in tokens:
            check_digits(frame[name], locate, first)
        rows = frame.lazy().with_columns(joined_lists(frame.schema, self._separators))
        rows = self.writing.texts_of(rows, self.columns)
        texts = self.writing.without_missing(rows, self.columns).collect()
        typed = [name for name in tokens if frame.schema[name] not in TEXTS]
        return texts.with_columns(self._as_written(texts[name]) for name in typed)

    def _as_written(self, texts: pl.Series) -> pl.Series:
        """Texts of numbers or truth values as train writes them."""
        name = texts.name
        if name not in self._written:
            known = [self._tokens[name].tokens]
            if name in self.partition:  # a rare value has no code, but its domain has an id
                known.append(self.domain_ids[str(self.partition.index(name))])
            self._written[name] = WrittenValues(pl.concat(known))
        return self._written[name].of(texts)

    def _codes_of(self, texts: pl.Series, locate: Callable[[int], str], first: int) -> np.ndarray:
        codes = self.codes[texts.name]
        if isinstance(codes, NumberCodes):
            return codes.of(numbers_of(texts, locate, first))
        return codes.of(texts)

    def _domains_of(self, texts: pl.DataFrame) -> np.ndarray:
        """The ids (N,) of the rows' joint values; unseen ones are 0."""
        values = texts.select(
            named(name).fill_null(MISSING).alias(str(place))
            for place, name in enumerate(self.partition)
        )
        found = values.join(self.domain_ids, on=values.columns, how="left", maintain_order="left")
        ids: np.ndarray = found[ID].fill_null(UNSEEN).to_numpy()
        return ids


def domain_ids_of(table: pl.DataFrame, partition: tuple[str, ...]) -> pl.DataFrame:
    """The `domain_ids` of a table of domains."""
    values = values_of_domains(table, partition)
    values.columns = [str(place) for place in range(len(partition))]
    return values.with_columns(table[ID]).filter(pl.col(ID) > UNSEEN)


def _numbers_to_json(codes: NumberCodes) -> dict[str, Any]:
    return asdict(codes) | {"edges": codes.edges.tolist()}


def _codes_from(
    feature: FeatureSpec, numbers: dict[str, Any], tokens: dict[tuple[object, ...], pl.DataFrame]
) -> Codes:
    """The codes of a feature, from those of all."""
    if feature.kind == "numeric":
        own = numbers[feature.name]
        return NumberCodes(**own | {"edges": np.array(own["edges"], dtype=np.float64)})
    found = tokens.get((feature.name,))
    codes = TokenCodes(pl.Series(dtype=pl.String) if found is None else found["token"])
    return BagCodes(feature, codes) if feature.kind == "bag" else codes


def _writing_from(content: dict[str, Any]) -> Writing:
    notations = (
        Notation(**own | {"missing": tuple(own["missing"])}) for own in content["notations"]
    )
    lists = {name: tuple(content[name]) for name in ("columns", "missing")}
    return Writing(**content | lists | {"notations": tuple(notations)})
