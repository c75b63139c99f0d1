"""Proposes the trials of a search with Optuna: the same ones however often it is interrupted.

Optuna's studies live in memory. Before a round the study is made anew from the finished trials in
the order of their indices, and every draw has a sampler of its own, seeded by the trial's index:
what the sampler proposes depends on the trials of the rounds before alone. It proposes a search's
own values; those that it shares with other searches depend on the trial's index alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from benchmark.planning.hyperparameters import has_integers, own_space
from benchmark.protocol import TUNING
from benchmark.store.files import write_whole
from benchmark.store.trials import read_trials
from models.interfaces import Range

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from optuna.distributions import BaseDistribution

    from benchmark.config import Json
    from benchmark.store.plan import Plan, Search
    from benchmark.store.trials import Trial
    from models.interfaces import Choice, SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)


def next_round(
    space: SearchSpace,
    first: Mapping[str, Json],
    finished: Sequence[Trial],
    *,
    count: int,
    search: int,
) -> list[dict[str, Json]]:
    """The values of a search's own that the next `count` trials try, after the `finished` ones.

    Args:
        space: these values.
        first: what trial 0 tries, the papers' values; the sampler sees the nearest in the space.
        finished: all trials of the rounds before, by index.
        count: the number of trials of the round, or of what is left of it.
        search: which search of the model it is, from 1 on.
    """
    seed = TUNING.sampler_seeds[search - 1]
    distributions = {name: _distribution(where) for name, where in space.items()}
    study = optuna.create_study(direction="maximize", sampler=_sampler(seed, 0))
    for trial in finished:
        study.add_trial(_frozen(trial, space))
    proposals: list[dict[str, Json]] = []
    for index in range(len(finished), len(finished) + count):
        study.sampler = _sampler(seed, index)
        if index == 0:
            study.enqueue_trial(_in_space(first, space))
        drawn = study.ask(distributions).params
        proposals.append({name: (drawn if index else first)[name] for name in space})
    return proposals


def write_journals(out: Path, plan: Plan) -> None:
    """Write every search of a plan as an Optuna study to browse, a journal per data set."""
    for dataset in dict.fromkeys(search.dataset for search in plan.searches):
        searches = [search for search in plan.searches if search.dataset == dataset]

        def fill(part: Path, searches: list[Search] = searches) -> None:
            part.unlink(missing_ok=True)
            storage = JournalStorage(JournalFileBackend(str(part)))
            for search in searches:
                space = own_space(search.backbone, search.method)
                study = optuna.create_study(
                    direction="maximize", storage=storage, study_name=search.title
                )
                for trial in read_trials(out / search.folder, search.num_trials):
                    study.add_trial(_frozen(trial, space))

        write_whole(out / "optuna" / f"{dataset}.journal", fill)


def _sampler(seed: int, index: int) -> optuna.samplers.TPESampler:
    """The sampler of one trial of a search whose seed this is."""
    own_seed = np.random.SeedSequence([seed, index]).generate_state(1)[0]
    return optuna.samplers.TPESampler(
        n_startup_trials=TUNING.startup_trials, constant_liar=True, seed=int(own_seed)
    )


def _distribution(where: Range | Choice) -> BaseDistribution:
    if not isinstance(where, Range):
        return optuna.distributions.CategoricalDistribution(where.values)
    if has_integers(where):
        return optuna.distributions.IntDistribution(int(where.low), int(where.high), log=where.log)
    return optuna.distributions.FloatDistribution(where.low, where.high, log=where.log)


def _in_space(params: Mapping[str, Json], space: SearchSpace) -> dict[str, Json]:
    """The values of a space, numbers outside a range moved to its nearer end."""
    inside = {name: params[name] for name in space}
    for name, where in space.items():
        value = inside[name]
        if isinstance(where, Range) and isinstance(value, int | float):
            inside[name] = min(max(value, where.low), where.high)
    return inside


def _frozen(trial: Trial, space: SearchSpace) -> optuna.trial.FrozenTrial:
    """A finished trial as the sampler sees it; it ignores failed ones.

    The values beside its own `space` stand with what else is known of the trial.
    """
    states = optuna.trial.TrialState
    shared = {name: value for name, value in trial.params.items() if name not in space}
    return optuna.trial.create_trial(
        state=states.COMPLETE if trial.state == "complete" else states.FAIL,
        value=trial.value,
        params=_in_space(trial.params, space),
        distributions={name: _distribution(where) for name, where in space.items()},
        user_attrs={
            **{"index": trial.index, "run_id": trial.config.run_id, "error": trial.error},
            **shared,
        },
    )
