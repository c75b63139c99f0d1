"""The contract of a method, as checks that say in words what a method does not keep.

Each check takes a method on a backbone and raises `CheckFailure`; some return a remark.
"""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING

from torch import nn

from models.contract import passes as passes
from models.contract import state as state
from models.contract.subject import CheckFailure

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from models.contract.subject import Subject

SECTIONS = ("Paper:", "Equation:", "Shapes:", "Deviation:")


CHECKS: dict[str, Callable[[Subject], str | None]] = {
    "shape of logits": passes.check_shapes,
    "unseen domain": passes.check_unseen_domain,
    "placebo": passes.check_placebo,
    "gradients": passes.check_gradients,
    "training order": passes.check_training_order,
    "batch mates": passes.check_batch_mates,
    "eval passes": state.check_eval_passes,
    "schedules": state.check_schedules,
    "state_dict": state.check_state_dict,
    "deep copy": state.check_copy,
    "initial values": state.check_initial_values,
    "penalty": passes.check_penalty,
    "pruned values": passes.check_pruned_values,
    "diagnostics": passes.check_diagnostics,
    "adapt": state.check_adapt,
    "batches": passes.check_batches,
    "owner of layers": state.check_owners,
    "overfitting": passes.check_overfit,
}


def check_docstrings(module: ModuleType) -> None:
    """Where a file has layers of its own, it says what they compute and where they differ."""
    classes = [value for value in vars(module).values() if inspect.isclass(value)]
    own = [value for value in classes if value.__module__ == module.__name__]
    if not any(issubclass(value, nn.Module) for value in own):
        return
    text = "\n".join(value.__doc__ or "" for value in (module, *own))
    missing = [name for name in SECTIONS if not re.search(rf"^ *{name} *\S", text, re.MULTILINE)]
    if missing:
        raise CheckFailure(f"no docstring of the file or its classes has {', '.join(missing)}")
