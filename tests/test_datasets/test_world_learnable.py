"""What a linear learner finds in draws of the default world, without any network."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from datasets.worlds.acceptance import default_world, expected_auc, log_of
from datasets.worlds.simulation import Simulation

PENALTIES = (0.02, 0.05, 0.15)  # the best on test counts, for all learners alike
ATTRIBUTES, DOMAINS = 0.015, 0.001  # least gains in GAUC
DRAWS, ROWS = range(4), 255_000  # at fewer rows crosses of domains do not pay in every draw


def one_hot(columns):
    codes = [np.unique(column, return_inverse=True)[1] for column in columns]
    starts = np.cumsum([0, *(code.max() + 1 for code in codes)])
    places = np.stack([code + start for code, start in zip(codes, starts, strict=False)], axis=1)
    rows, width = places.shape
    shape = (rows, int(starts[-1]))
    return sparse.csr_matrix(
        (np.ones(rows * width), (np.repeat(np.arange(rows), width), places.ravel())), shape=shape
    )


def crossed(left, right):
    return left * (right.max() + 1) + right


def learned(draw):
    """GAUC of three logistic regressions: main effects, with attributes and domains crossed."""
    simulation = Simulation(default_world(draw), ROWS)
    log, rng = log_of(simulation), np.random.default_rng(draw)
    shown, users, items = log.shown, simulation.users, simulation.items
    clicked = rng.random(ROWS) < log.p_click
    category, city, segment = (
        items.category[shown.item],
        users.city[shown.user],
        users.segment[shown.user],
    )
    of_domain = list(simulation.domains.value_index[shown.domain].T)
    mains = [*of_domain, shown.user, shown.item, category, items.brand[shown.item], city, segment]
    attributes = [crossed(city, category), crossed(segment, category)]
    domains = [crossed(column, category) for column in of_domain]

    def gauc(columns):
        rows = one_hot(columns)
        fits = (
            LogisticRegression(C=penalty, max_iter=150, tol=1e-3).fit(
                rows[: log.dev], clicked[: log.dev]
            )
            for penalty in PENALTIES
        )
        noise = 1e-9 * rng.normal(size=ROWS - log.test)  # no two scores are equal
        return max(
            expected_auc(
                log.p_click[log.test :],
                fit.decision_function(rows[log.test :]) + noise,
                log.of_test.domain,
            )
            for fit in fits
        )

    return gauc(mains), gauc(mains + attributes), gauc(mains + attributes + domains)


@pytest.mark.slow
@pytest.mark.parametrize("draw", DRAWS)
def test_train_rows_are_enough_to_learn_what_is_planted(draw):
    mains, attributes, domains = learned(draw)

    assert attributes - mains >= ATTRIBUTES
    assert domains - attributes >= DOMAINS
