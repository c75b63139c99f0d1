"""Models of a table: whose spread is pooled, and what a second search adds to intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from reports.analysis.comparisons import Peers, compare, estimate, peers_of, tuning_between
from reports.analysis.long_tail import METRICS, bin_tuning, scores_of
from reports.claims.evidence import Evidence
from reports.reading.keys import Block, Replicate
from reports.statistics.bins import bins_by_domain
from reports.statistics.estimates import NONE, pooled_component, tuning_component
from reports.tables import comparisons as comparisons_table

if TYPE_CHECKING:
    from conftest import Folder

    from reports.reading.load import Runs

BLOCK = Block("world", "scenario", "dnn")
SEEDS, METHODS = (1, 2, 3), ("adasparse", "plain", "maml")
PLACES = [Replicate(0, seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def peers(studies: Runs) -> Peers:
    return peers_of(studies, BLOCK)


def searched_once(runs: Runs) -> Runs:
    return runs.study(*(name for name in runs.studies if name != "retuned"))


def test_peers_are_the_main_cells_of_the_log_and_backbone(folder: Folder, peers: Peers) -> None:
    found = peers.scores("gauc", PLACES, ("plain", "adasparse"))

    assert set(peers.cells) == set(METHODS)
    expected = {name: folder.over_seeds("gauc", name) for name in METHODS}
    names = ("plain", "adasparse", "maml")
    assert found.tolist() == [pytest.approx(expected[name]) for name in names]


def test_models_that_were_searched_once_have_no_component_of_tuning(studies: Runs) -> None:
    peers = peers_of(searched_once(studies), BLOCK)

    assert peers.again == {}
    assert peers.tuning("gauc") is NONE


def test_model_without_all_the_runs_is_not_pooled(peers: Peers) -> None:
    fewer = {place: peers.cells["maml"][place] for place in PLACES[1:]}

    peers = Peers({**peers.cells, "maml": fewer}, {})

    assert peers.scores("auc", PLACES, ("plain", "adasparse")).shape == (2, 3)
    assert peers.scores("auc", PLACES[1:], ("plain", "adasparse")).shape == (3, 2)


def test_comparison_and_claim_pool_the_spread_of_the_seeds(
    folder: Folder, studies: Runs, peers: Peers
) -> None:
    evidence = Evidence(studies, BLOCK.family)
    own, plain = (evidence.subject("dnn", name) for name in ("adasparse", "plain"))

    found = estimate(own.runs, plain.runs, "gauc", peers, peers.tuning("gauc"))

    table = np.array([folder.over_seeds("gauc", name) for name in METHODS])
    expected = pooled_component(table)
    assert found.replicates.variance == pytest.approx(expected.variance)
    assert found.replicates.freedom == expected.freedom
    assert evidence.gap(own, plain, "gauc").estimate == found
    row = compare(studies).query(
        "method == 'adasparse' and kind == 'baseline' and metric == 'gauc'"
    )
    assert row["error"].tolist() == [found.error]


def test_changed_cells_have_their_own_spread(studies: Runs) -> None:
    evidence = Evidence(studies, BLOCK.family)
    main = evidence.subject("dnn", "adasparse")
    other = evidence.subject("dnn", "adasparse", lambda config: "penalty" in config.pinned)

    found = evidence.gap(main, other, "auc").estimate

    assert [bool(one.changes) for one in (main, other)] == [False, True]
    assert found.replicates.freedom == 2


def test_second_search_adds_its_component_to_intervals(studies: Runs, peers: Peers) -> None:
    assert set(peers.again) == set(METHODS)
    differences = [
        [
            np.subtract(*(side[name][place].metrics["test"]["auc"] for side in sides))
            for place in PLACES
        ]
        for sides in [(peers.cells, peers.again)]
        for name in peers.again
    ]
    expected = tuning_component(np.array(differences))
    assert peers.tuning("auc").variance == pytest.approx(expected.variance)
    assert peers.tuning("auc").freedom == expected.freedom == 2
    alone = {name: {PLACES[2]: own[PLACES[2]]} for name, own in peers.again.items()}
    assert Peers(peers.cells, alone).tuning("auc") is NONE  # one run of both is left
    for runs, is_in in ((searched_once(studies), "do not contain"), (studies, "tests contain")):
        assert set(compare(runs)["has_tuning"]) == {is_in == "tests contain"}
        table = comparisons_table.tabulate(runs).assign(searches=2)
        assert any(is_in in note for note in comparisons_table.arrange(table).notes)


def test_tuning_is_part_of_differences_between_methods_alone(studies: Runs, peers: Peers) -> None:
    evidence = Evidence(studies, BLOCK.family)
    own, plain = (evidence.subject("dnn", name) for name in ("adasparse", "plain"))
    changed = evidence.subject("dnn", "adasparse", lambda config: "penalty" in config.pinned)
    expected = peers.tuning("auc")

    assert expected is not NONE
    assert evidence.gap(own, plain, "auc").estimate.tuning == expected
    assert evidence.gap(changed, plain, "auc").estimate.tuning == expected
    assert evidence.gap(own, changed, "auc").estimate.tuning is NONE  # the same values


def test_two_backbones_are_compared_as_two_models(peers: Peers) -> None:
    found = tuning_between([(peers, "plain"), (peers, "maml")], "auc")

    names = ("plain", "maml")
    two = Peers(*({name: side[name] for name in names} for side in (peers.cells, peers.again)))
    assert found == two.tuning("auc")
    assert found.freedom == 1
    assert tuning_between([(peers, "plain"), (Peers({}, {}), "plain")], "auc") is NONE


def test_bins_have_the_component_of_their_own_scores(studies: Runs, peers: Peers) -> None:
    bins = bins_by_domain(studies.domains(next(iter(studies.fingerprints.values()))))
    number, place = int(bins[0]), METRICS.index("auc")

    found = bin_tuning(studies, peers, number, "auc")

    differences = [
        [
            np.subtract(*(scores_of(side[m][p], bins).scores[number - 1, place] for side in sides))
            for p in PLACES
        ]
        for sides in [(peers.cells, peers.again)]
        for m in peers.again
    ]
    assert found == tuning_component(np.array(differences))
    once = searched_once(studies)
    assert bin_tuning(once, peers_of(once, BLOCK), number, "auc") is NONE
