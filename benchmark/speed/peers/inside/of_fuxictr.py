"""FuxiCTR: the models of its model zoo, which a checkout has and its package lacks."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fuxictr
import numpy as np
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader

from benchmark.speed.peers.inside.passes import LEARNING_RATE, PeerModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor, nn

    from benchmark.speed.peers.task import PeerTask

VERSION: str = fuxictr.__version__
LABEL = "label"
# Of the configuration files of the model zoo, and the clipping of `BaseModel.fit`.
USUAL = {
    "task": "binary_classification",
    "loss": "binary_crossentropy",
    "metrics": ["logloss", "AUC"],
    "optimizer": "adam",
    "learning_rate": LEARNING_RATE,
    "model_root": tempfile.gettempdir(),
    "verbose": 0,
}
MAX_GRADIENT_NORM = 10.0


class FuxiModel(PeerModel):
    """A model of the zoo, trained by `train_epoch`, the loop of `BaseModel.fit`."""

    def __init__(self, task: PeerTask, checkout: str) -> None:
        self.zoo = Path(checkout) / "model_zoo"
        self.features = _feature_map(task)
        self.folder = tempfile.TemporaryDirectory()
        super().__init__(task)
        self.trained._max_gradient_norm = MAX_GRADIENT_NORM
        self.trained._total_steps, self.trained._eval_steps = 0, sys.maxsize  # no evaluation
        self.trained._stop_training = False

    def make(self) -> nn.Module:
        folder, name, sizes = _design(self.task)
        model = _class_of_zoo(self.zoo / folder, name)
        return model(self.features, embedding_dim=self.task.embedding_dim, **USUAL, **sizes)

    def loader(self, rows: NDArray[np.int64]) -> Iterable[Any]:
        path = str(Path(self.folder.name) / "rows.npz")
        np.savez(path, **dict(zip([*self.task.fields, LABEL], rows.T, strict=True)))
        loader, _ = RankDataLoader(
            self.features,
            stage="train",
            train_data=path,
            batch_size=self.task.batch_size,
            num_workers=0,
        )
        return loader

    def train(self, batches: Iterable[Any]) -> None:
        self.trained.train_epoch(batches)

    def loss(self, batch: Any) -> Tensor:
        return self.bare.add_loss(self.bare(batch), self.bare.get_labels(batch))


def _feature_map(task: PeerTask) -> FeatureMap:
    features = FeatureMap("rows", tempfile.gettempdir())
    features.features = {
        name: {"type": "categorical", "source": "", "vocab_size": size, "padding_idx": None}
        for name, size in zip(task.fields, task.field_sizes, strict=True)
    }
    features.labels = [LABEL]
    features.num_fields = len(task.fields)
    features.default_emb_dim = task.embedding_dim
    features.set_column_index()
    return features


def _design(task: PeerTask) -> tuple[str, str, dict[str, Any]]:
    """Folder and class of the zoo, and the sizes."""
    widths = list(task.hidden_dims)
    if task.model == "DNN":
        return "DNN/DNN_torch", "DNN", {"hidden_units": widths}
    core = {  # as ours: a quarter of a layer's width, and a generator of one layer
        "rank_k": [width // 4 for width in widths],
        "overparam_p": None,
        "generate_bias": False,
    }
    e_d = task.fields[: task.num_domain_fields]
    designs: dict[str, tuple[str, str, dict[str, Any]]] = {
        "DCNv2": ("DCNv2", "DCNv2", {}),
        "DCNv2 mixture": ("DCNv2", "DCNv2", {"use_low_rank_mixture": True}),
        "DCNv2 +APG by h": ("APG", "APG_DCNv2", {"condition_mode": "self-wise", **core}),
        "DCNv2 +APG by e_d": (
            "APG",
            "APG_DCNv2",
            {"condition_mode": "group-wise", "condition_features": e_d, **core},
        ),
    }
    folder, name, own = designs[task.model]
    return folder, name, {"parallel_dnn_hidden_units": widths, **own}


def _class_of_zoo(folder: Path, name: str) -> Any:
    """A class of the zoo, whose folders all hold a package with the name `src`."""
    package = f"zoo_{folder.name}"
    if package not in sys.modules:
        source = folder / "src"
        spec = importlib.util.spec_from_file_location(
            package, source / "__init__.py", submodule_search_locations=[str(source)]
        )
        if spec is None or spec.loader is None:
            raise ImportError(f"no package in {source}")
        sys.modules[package] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[package])
    return getattr(sys.modules[package], name)


MODEL = FuxiModel
