"""A trained model as a folder of files that scores raw rows of its log, wherever it is read."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from datasets.encoding.fitted import BLOCK_ROWS, FittedEncoders
from datasets.files import file_digest, json_digest
from datasets.loader import EncodedRows
from datasets.spec import EncodedSchema
from models.ctr_model import ModelConfig, ModelDesign
from models.predictors import predict, predictor_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from models.interfaces import Predictor

FORMAT = 1  # raise it when a folder can no longer be read as before
SCORE = "p_ctr"  # the column of answers
MODEL, WEIGHTS, PLUGINS = "model.json", "weights.npz", "plugins"


class ModelError(ValueError):
    """A model that cannot be saved or read: the message is one line that says why."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SavedModel:
    """A trained model with the encoders of its log.

    `schema` is the view of the log that the method sees, `weights` are those of `weights_of`. A
    folder of one holds the tokens of the log and a few of its rows, and the code of a backbone or
    method that is a plug-in, which runs when it is read: read folders of people you trust.

    Raises:
        ModelError: the model is not one of raw rows, or the encoders are another log's.
    """

    design: ModelDesign
    schema: EncodedSchema
    weights: Mapping[str, NDArray[np.generic]]
    encoders: FittedEncoders

    def __post_init__(self) -> None:
        if self.schema.is_placebo or "coarser" in (self.schema.domain_from, self.schema.task_from):
            raise ModelError(
                "a model with placebo or coarser domains cannot score raw rows, as the prepared"
                " log alone knows its ids; save one of the log's own domains"
            )
        needed = (*self.schema.fields, *self.schema.bags)
        if needed != self.encoders.columns:
            raise ModelError(
                f"the model reads {', '.join(needed)}, the encoders of the log"
                f" {self.encoders.log!r} give {', '.join(self.encoders.columns)}; take those of the"
                " log that it was trained on"
            )

    @cached_property
    def predictor(self) -> Predictor:
        """The trained predictor."""
        return predictor_of(self.design.assemble(self.schema), self.weights)

    def logits(self, frame: pl.DataFrame) -> NDArray[np.float32]:
        """The logits (N,) of raw rows, as `FittedEncoders.encode` takes them.

        Raises:
            DataError: a column is missing, or a value is not allowed.
        """
        blocks = [
            self._logits_of(self.encoders.encode(frame[start : start + BLOCK_ROWS], first=start))
            for start in range(0, max(len(frame), 1), BLOCK_ROWS)
        ]
        return np.concatenate(blocks)

    def predict_proba(self, frame: pl.DataFrame) -> NDArray[np.float64]:
        """The click probabilities (N,) of raw rows.

        Raises:
            DataError: a column is missing, or a value is not allowed.
        """
        return probabilities(self.logits(frame))

    def predict_file(self, path: Path) -> Iterator[NDArray[np.float64]]:
        """The click probabilities of the rows of a file of the log, block by block.

        Raises:
            DataError: the file cannot be read, or its rows cannot be encoded.
        """
        for rows in self.encoders.encode_file(path):
            yield probabilities(self._logits_of(rows))

    def write(self, folder: Path) -> None:
        """Write a new folder, whole or not at all.

        Raises:
            ModelError: there is something of that name.
            OSError: it cannot be written.
        """
        if folder.exists():
            raise ModelError(f"{folder}: exists already; remove it or name another folder")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as made:
            partial = Path(made, "model")
            partial.mkdir()
            self._fill(partial)
            partial.rename(folder)

    @classmethod
    def read(cls, folder: Path) -> SavedModel:
        """Read what `write` wrote; code of a plug-in in it is run.

        Raises:
            ModelError: it is no saved model, is damaged, or is of another format.
        """
        content = _read_content(folder)
        try:
            design = dict(content["design"])
            values = design["values"]
            files = {kind: folder / PLUGINS / name for kind, name in design["plugins"].items()}
            with np.load(folder / WEIGHTS) as weights:
                model = cls(
                    design=ModelDesign(
                        **_tuples(design)
                        | {"values": ModelConfig(**_tuples(values)), "plugins": files}
                    ),
                    schema=EncodedSchema(**_tuples(content["schema"])),
                    weights=dict(weights),
                    encoders=FittedEncoders.read(folder),
                )
            _ = model.predictor
        except (ValueError, KeyError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(
                f"{folder}: cannot be loaded by this program ({reason}); save the model with it"
                " again"
            ) from error
        return model

    def _fill(self, folder: Path) -> None:
        plugins = {}
        for kind, path in self.design.plugins.items():
            plugins[kind] = f"{kind}/{path.name}"
            (folder / PLUGINS / kind).mkdir(parents=True)
            shutil.copyfile(path, folder / PLUGINS / plugins[kind])
        np.savez(folder / WEIGHTS, allow_pickle=False, **self.weights)
        self.encoders.write(folder)
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        content = {
            "format": FORMAT,
            "design": {
                "backbone": self.design.backbone,
                "backbone_config": dict(self.design.backbone_config),
                "method": self.design.method,
                "method_config": dict(self.design.method_config),
                "values": asdict(self.design.values),
                "prior": self.design.prior,
                "plugins": plugins,
            },
            "schema": asdict(self.schema),
            "digests": {path.relative_to(folder).as_posix(): file_digest(path) for path in paths},
        }
        content = json.loads(json.dumps(content))  # tuples are lists, as they are read back
        sealed = {"sha256": json_digest(content), "content": content}
        (folder / MODEL).write_text(json.dumps(sealed, indent=1), encoding="utf-8")

    def _logits_of(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        return predict(self.predictor, EncodedRows(rows, self.schema), range(len(rows)))


def probabilities(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """The probabilities of logits, in float64 as metrics take them."""
    found: NDArray[np.float64] = torch.from_numpy(logits).double().sigmoid().numpy()
    return found


def _read_content(folder: Path) -> dict[str, Any]:
    """The content of `MODEL`, after a check of all files."""
    path = folder / MODEL
    try:
        sealed = json.loads(path.read_text(encoding="utf-8"))
        content: dict[str, Any] = sealed["content"]
        is_whole = sealed["sha256"] == json_digest(content)
        written, digests = content["format"], content["digests"]
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"{folder}: no saved model, as {MODEL} is not there; name a folder that holds one"
        ) from None
    except (ValueError, KeyError, TypeError):
        is_whole, written, digests = False, FORMAT, {}
    if written != FORMAT:
        raise ModelError(
            f"{path}: of format {written!r}, this program reads {FORMAT}; save the model again, or"
            " take the program that saved it"
        )
    damaged = [MODEL] if not is_whole else []
    damaged += [
        name
        for name, digest in digests.items()
        if not (folder / name).is_file() or file_digest(folder / name) != digest
    ]
    if damaged:
        raise ModelError(
            f"{folder / damaged[0]}: missing or changed since the model was saved; save it again"
        )
    return content


def _tuples(values: dict[str, Any]) -> dict[str, Any]:
    """The values with tuples for the lists of JSON."""
    return {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
