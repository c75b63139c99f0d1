"""The command lines that reproduce a report, part by part, from the call that its plan keeps."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmark.config import Json
    from reports.reading.load import Runs

OUT = "DIR"
REPORT_ONLY = f"python run_all.py --report-only --out {OUT}"


def studies_in(runs: Runs) -> list[str]:
    """The studies of the plan that have cells, in order."""
    return [name for name, slots in runs.studies.items() if slots]


def num_seeds(runs: Runs) -> int:
    """How many different seeds the cells have."""
    return len({cell.config.seed for cell in runs.cells})


def command(call: Mapping[str, Json], studies: Sequence[str], *, retry_failed: bool = False) -> str:
    """The line that runs these studies with the flags of a call."""
    words = ["python", "run_all.py"]
    for flag, value in call.items():
        values = value if isinstance(value, list) else [value]
        if flag == "--plugin":
            words += [word for path in values for word in (flag, str(path))]
        else:
            words += [flag, *map(str, values)]
    words += ["--only", *studies]
    words += ["--retry-failed"] if retry_failed else []
    return shlex.join([*words, "--out", OUT])
