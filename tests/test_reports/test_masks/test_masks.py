"""The table of masks: which domains and masks it compares, and how."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pytest

from reports.analysis.masks import chance_jaccard, contrasted, jaccard, masked_models
from reports.statistics.paired_tests import holm, paired_interval
from reports.statistics.permutation import Overlap
from reports.tables.masks import TABLE
from tests.test_reports.test_masks.conftest import LARGEST, SEEDS, SMALL, mask_row, words_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from reports.reading.load import Runs


@pytest.fixture(scope="module")
def table(runs: Runs) -> pd.DataFrame:
    return TABLE.tabulate(runs)


def test_domains_are_the_largest_with_enough_rows(runs: Runs) -> None:
    ((model,),) = masked_models(runs)

    ids = model.domains.eval_domain_id.tolist()
    assert ids == [LARGEST, 11, 10, 9, 8, 7, 6, 4, 2, 1, 0]
    assert model.domains.names[0] == "1 · 0"


def test_domains_are_contrasted_by_their_similarity(make: Callable[..., Runs]) -> None:
    planted = np.full((12, 12), 0.5)
    order = np.arange(12)[::-1]  # as the stored matrix has it
    for other, value in ((SMALL, 1.0), (7, 0.9), (2, 0.1)):
        ends = np.flatnonzero(order == LARGEST)[0], np.flatnonzero(order == other)[0]
        planted[ends] = planted[ends[::-1]] = value

    ((model,),) = masked_models(make(planted=planted))

    chosen = model.domains.eval_domain_id[list(model.domains.contrast())]
    assert chosen.tolist() == [LARGEST, 7, 2]
    assert model.domains.source == "planted"


def test_domains_that_click_alike_are_contrasted_by_their_inputs(make: Callable[..., Runs]) -> None:
    ((model,),) = masked_models(make(planted=np.ones((12, 12))))

    assert model.domains.source == "observed"


def test_untrained_masks_prune_as_many_of_the_lowest_factors(runs: Runs) -> None:
    ((model,),) = masked_models(runs)
    with np.load(runs.cells[0].record.path / "masks.npz") as arrays:
        kept, factor = arrays["layer1_keep_rate"][LARGEST], arrays["layer1_initial_factor"][LARGEST]
    lowest = np.argsort(factor)[: np.count_nonzero(kept < 0.5)]

    trained, initial = (model.rankings[kind][1]["layer1"] for kind in ("trained", "initial"))

    assert np.array_equal(trained.pruned()[0], kept < 0.5)
    assert np.flatnonzero(initial.pruned()[0]).tolist() == sorted(lowest)


def test_jaccard_index_counts_pruned_neurons() -> None:
    first, second = np.array([1, 1, 1, 0], bool), np.array([0, 1, 1, 1], bool)

    assert jaccard(first, second) == 0.5
    assert np.isnan(jaccard(first & False, second & False))


def test_chance_jaccard_is_that_of_all_pairs_of_sets() -> None:
    sets = [set(chosen) for chosen in combinations(range(6), 3)]
    expected = np.mean([len({0, 1} & other) / len({0, 1} | other) for other in sets])

    assert chance_jaccard(2, 3, 6) == pytest.approx(expected)
    assert np.isnan(chance_jaccard(0, 0, 6))


def test_table_has_every_seed_and_layer_and_all_of_them(table: pd.DataFrame) -> None:
    layers = ["layer0", "layer1", "layer2", "all layers"]

    assert table["layer"].tolist() == [layer for layer in layers for _ in range(3)]
    assert table["seed"].astype(object).where(table["seed"].notna(), 0).tolist() == [1, 2, 0] * 4
    assert table["runs"].tolist() == [1, 1, 2] * 4


def test_raw_correlation_is_that_of_the_masks(runs: Runs, table: pd.DataFrame) -> None:
    ((model,),) = masked_models(runs)
    pairs = model.domains.pairs()
    found = []
    for layers in model.rankings["permuted"].values():
        ranking = layers["layer1"]
        found.append(pairs.correlation(Overlap(ranking, pairs).of(ranking.pruned())))

    assert mask_row(table, "layer1", 2)["permuted_raw"] == pytest.approx(found[1])
    assert mask_row(table, "layer1")["permuted_raw"] == pytest.approx(np.mean(found))


def test_differences_are_taken_seed_by_seed(table: pd.DataFrame) -> None:
    for kind in ("initial", "permuted"):
        rows = [mask_row(table, "layer1", seed) for seed in SEEDS]
        expected = paired_interval([row["trained_mean"] - row[f"{kind}_mean"] for row in rows])

        pooled = mask_row(table, "layer1")

        assert pooled[f"delta_{kind}_mean"] == pytest.approx(expected.mean)
        assert pooled[f"delta_{kind}_low"] == pytest.approx(expected.low)


def test_all_layers_are_their_mean(table: pd.DataFrame) -> None:
    rows = [mask_row(table, layer) for layer in ("layer0", "layer1", "layer2")]

    for name in ("trained_mean", "delta_permuted_mean"):
        assert mask_row(table, "all layers")[name] == pytest.approx(
            np.mean([r[name] for r in rows])
        )


def test_pooled_comparisons_are_one_family(table: pd.DataFrame) -> None:
    pooled = table[table["seed"].isna()]
    names = ["delta_initial_p", "delta_permuted_p"]
    expected = holm(pooled[names].to_numpy().ravel())

    found = table[[f"{name}_holm" for name in names]]

    assert found[table["seed"].isna()].to_numpy().ravel().tolist() == pytest.approx(expected)
    assert found[table["seed"].notna()].isna().all(axis=None)


def test_pairs_are_counted_by_shared_values(table: pd.DataFrame) -> None:
    # of the 12 cells of a 4 x 3 table without (1, 2): 9 pairs share the row's and 15 the column's
    row = mask_row(table, "layer1")

    assert row["pairs_shared_0"] + row["pairs_shared_1"] == 11 * 10 / 2
    assert row["pairs_shared_1"] == (3 + 1 + 3 + 3) + (6 + 6 + 3)
    assert "25 share 1" in words_of(table)


def test_jaccard_of_the_table_is_that_of_the_contrasted(runs: Runs, table: pd.DataFrame) -> None:
    ((model,),) = masked_models(runs)
    _, similar, _ = model.domains.contrast()
    values = [contrasted(model.rankings["trained"][s]["layer1"], 0, similar) for s in SEEDS]

    row = mask_row(table, "layer1")

    assert [row["jaccard_similar"], row["jaccard_similar_chance"]] == pytest.approx(
        np.mean(values, axis=0)
    )


def test_seeds_without_a_counterpart_are_not_compared(make: Callable[..., Runs]) -> None:
    table = TABLE.tabulate(make(labels={1: ("given",), 2: ("given", "permuted")}))

    pooled, own = mask_row(table, "layer1"), mask_row(table, "layer1", 2)
    assert pooled["delta_permuted_mean"] == pytest.approx(own["delta_permuted_mean"])
    assert pooled["trained_mean"] != pytest.approx(own["trained_mean"])


def test_one_seed_has_a_test_and_no_interval(make: Callable[..., Runs]) -> None:
    table = TABLE.tabulate(make(labels={2: ("given", "permuted")}))

    row = mask_row(table, "layer1")
    assert 0.0 < row["delta_permuted_p"] <= 1.0
    assert np.isnan(row["delta_permuted_low"])
    assert TABLE.arrange(table).blocks[0].rows[1][-1].text == "1 of 2"
