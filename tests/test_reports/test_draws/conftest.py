"""One generated log in an output folder, drawn several times, made without training."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from benchmark.store.plan import Plan, write_plan
from reports.reading.load import load_runs

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Folder

    from benchmark.config import RunConfig
    from reports.reading.load import Runs

DRAWS = (1, 2, 3)
SEEDS = (1, 2)


class Family:
    """One generated log in an output folder, drawn several times."""

    def __init__(self, folder_of: type[Folder], out: Path) -> None:
        self.draws = [folder_of(out, draw=draw) for draw in DRAWS]
        for folder in self.draws:
            folder.seeds = SEEDS
        self.out = out

    def plan(self, backbone: str = "dnn", **tuning: object) -> list[tuple[Folder, RunConfig]]:
        """Write the plan of all studies on all draws; each run with the draw that it is on."""
        studies, slots, runs = {}, {}, {}
        for folder in self.draws:
            cells = folder.members(backbone)
            del cells["retuned"]  # every model is searched once
            for study, configs in cells.items():
                studies.setdefault(study, []).extend(one.slot_id for one in configs)
                slots |= {one.slot_id: one for one in configs}
                runs |= {one.slot_id: (folder, one) for one in configs}
        members = {study: tuple(ids) for study, ids in studies.items()}
        plan = Plan(preset="quick", slots=slots, studies=members, **tuning)
        write_plan(self.draws[0].store, plan)
        return list(runs.values())

    def make(self, **tuning: object) -> None:
        """Finish all studies on all draws."""
        for folder, config in self.plan(**tuning):
            folder.run(config)
        for folder in self.draws:
            folder.write_data()
            folder.write_data(folder.null_world["data_fingerprint"])
            folder.write_candidates()


@pytest.fixture(scope="session")
def whole_family(tmp_path_factory: pytest.TempPathFactory, folder_of: type[Folder]) -> Family:
    """All studies on several draws of a log, finished; not to be written to."""
    family = Family(folder_of, tmp_path_factory.mktemp("family"))
    family.make(tuned_from="tuned")
    return family


@pytest.fixture
def family(tmp_path: Path, whole_family: Family, folder_of: type[Folder]) -> Family:
    """All studies on several draws of a log, finished."""
    shutil.copytree(whole_family.out, tmp_path / "family")
    return Family(folder_of, tmp_path / "family")


@pytest.fixture(scope="session")
def runs(whole_family: Family) -> Runs:
    return load_runs(whole_family.out)
