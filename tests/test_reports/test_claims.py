"""Claims: what is compared, at which level, and the words of the verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benchmark.planning.studies import STUDIES
from reports.analysis.comparisons import estimate, peers_of
from reports.analysis.sparsity import band_margins
from reports.analysis_plan import ANALYSIS
from reports.claims import catalogue
from reports.claims.catalogue import BESIDE, PARTS
from reports.claims.evidence import Evidence, absent, budget_of, counted
from reports.claims.paper import paper_values
from reports.claims.verdicts import (
    COUNTED,
    NO_VERDICT,
    NOT_RUN,
    NOT_TESTABLE,
    SMALL_TAGS,
    TAGS,
    Part,
)
from reports.look.table import to_markdown
from reports.reading.exclusions import few_test_rows
from reports.reading.keys import Block, Family
from reports.reading.ledger import SearchTrials
from reports.reading.load import load_runs
from reports.statistics.paired_tests import Interval
from reports.tables import claims

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from conftest import Folder

    from reports.claims.verdicts import JudgedPart

SAMPLE = Path(__file__).resolve().parent.parent.parent / "reports" / "reference"


@pytest.fixture(scope="module")
def sample() -> pd.DataFrame:
    """The claims on the committed sample, which has runs of every study."""
    return claims.tabulate(load_runs(SAMPLE))


def of(table: pd.DataFrame, name: str, role: str = "part") -> pd.DataFrame:
    return table[(table["claim"] == name) & (table["role"] == role)]


@pytest.fixture
def search_of(make_search) -> Callable[[int], SearchTrials]:
    """A function that makes a search of so many trials, none of them done."""

    def make(num_trials: int) -> SearchTrials:
        search = make_search(dataset="world", num_trials=num_trials)
        return SearchTrials(search=search, trials=(), is_awaited=False)

    return make


def test_every_claim_has_a_row_and_smoke_has_no_verdict(sample: pd.DataFrame) -> None:
    assert list(dict.fromkeys(sample["claim"])) == [claim.name for claim in ANALYSIS.claims]
    assert set(sample["verdict"]) == {NO_VERDICT, NOT_TESTABLE}
    assert of(sample, "online")["verdict"].tolist() == [NOT_TESTABLE]


def test_parts_are_all_that_a_claim_speaks_of(sample: pd.DataFrame) -> None:
    counts = {  # methods or pairs x backbones x metrics, bins or bounds
        "all_beat_backbone": 4 * 2 * 2,
        "generated_beat_individual": 4 * 2 * 2,
        "adasparse_best": 4 * 2 * 2,
        "forms": 5 * 2,
        "masks": 2,
        "head_gains": 4 * 3 * 2,
        "tail_gains": 2 * 3 * 2 * 2,
        "best_in_every_bin": 4 * 5 * 2,
        "star_crossover": 2,
        "sparsity_peak": 2,
        "sparse_as_base": 1,
        "cheaper": 4,
        "individual_impractical": 2,
        "dcnv2_by_size": 2,
        "generated_harm": 2 * 2,
        "small_domains": 2 * 2,  # backbones, groups of domains
        "band_reached": 1 + 2,  # the main cell, and the bounds that the sample has
        "l1_misses": 1,
    }
    for name, count in counts.items():
        assert len(of(sample, name)) == count, name


def test_beside_adasparse_stand_its_controls(sample: pd.DataFrame) -> None:
    beside = of(sample, "adasparse_best", "beside")

    assert beside["part"].str.contains("width-matched").sum() == 2
    assert beside["part"].str.contains("domain-blind").sum() == 2
    shown = to_markdown("claims", claims.arrange(sample))
    assert "beside it" in shown


def test_parts_are_shown_at_one_level_and_corrected_for_their_number(sample: pd.DataFrame) -> None:
    runs = load_runs(SAMPLE)
    row = of(sample, "adasparse_best").iloc[0]
    keys = {m: (*row[["dataset", "partition"]], "dnn", m, "") for m in ("adasparse", "plain")}
    seeds = {
        method: {cell.replicate: cell.record for cell in runs.cells if cell.key == key}
        for method, key in keys.items()
    }
    peers = peers_of(runs, Block(*row[["dataset", "partition"]], "dnn"))
    found = estimate(seeds["adasparse"], seeds["plain"], "auc", peers)

    assert row["part"] == "DNN +AdaSparse \N{MINUS SIGN} DNN, AUC"
    assert (row["level"], row["corrected_level"]) == pytest.approx((0.9, 1 - 0.1 / 16))
    for name, level in (("", 0.9), ("corrected_", 1 - 0.1 / 16)):
        interval = found.interval(level)
        bounds = row[f"{name}low"], row[f"{name}high"]
        assert bounds == pytest.approx((interval.low, interval.high))
    assert row["paper"] == pytest.approx(0.7359 - 0.7266)


def test_counts_of_parameters_have_no_interval(sample: pd.DataFrame) -> None:
    rows = of(sample, "individual_impractical")

    assert (rows["low"] == rows["high"]).all()
    assert rows["outcome"].tolist() == ["no", "no"]
    copies = 5_001 * (352 * 512 + 512 + 512 * 256 + 256 + 256 * 128 + 128 + 128 + 1)
    served = 4 * (copies + 16 * 567_001) / 2**30  # MAML's, with the embedding table
    assert 10 ** rows["mean"].iloc[0] == pytest.approx(served / 16)


def test_every_claim_of_the_plan_has_its_parts_or_says_that_it_has_none() -> None:
    claims_of_plan = {claim.name: claim for claim in ANALYSIS.claims}

    assert PARTS.keys() <= claims_of_plan.keys()
    assert {name for name in claims_of_plan if name not in PARTS} == {"online"}
    assert claims_of_plan["online"].contrasts.startswith("none")
    assert {claim.beside for claim in ANALYSIS.claims} - {""} == set(BESIDE)
    assert {claim.study for claim in ANALYSIS.claims} <= set(STUDIES)


def test_masks_are_judged_on_the_binary_factors_and_fusion_stands_beside(
    sample: pd.DataFrame,
) -> None:
    parts, beside = (of(sample, "masks", role)["part"] for role in ("part", "beside"))

    assert parts.str.startswith("Binarization, rank correlation").all()
    assert beside.str.startswith("Fusion, rank correlation").all()


def test_ratios_are_how_far_the_outermost_layer_is_inside(studied: Folder) -> None:
    runs = load_runs(studied.store.out)
    table = band_margins(runs)
    sparsity = runs.sparsity().merge(table)
    low, high = 0.15 - 0.02, 0.25 + 0.02
    main = sparsity[sparsity["changes"] == ""]
    layers = main[["layer0", "layer1"]]
    expected = np.minimum(layers - low, high - layers).min(axis=1)

    assert len(main)
    assert main["inside"].to_numpy() == pytest.approx(expected.to_numpy())


def test_claims_on_ratios_are_of_the_cells_that_aim_at_a_band(sample: pd.DataFrame) -> None:
    inside, outside = of(sample, "band_reached"), of(sample, "l1_misses")

    assert set(inside["unit"]) == set(outside["unit"]) == {"ratio"}
    assert inside["part"].str.endswith("inside of its bounds").all()
    assert outside["part"].tolist() == [
        "sparsity ratio of DNN +AdaSparse, l1 penalty, outside of its bounds"
    ]


def test_each_part_is_the_claimed_difference_in_the_claimed_direction(sample: pd.DataFrame) -> None:
    minus = " \N{MINUS SIGN} "
    first = {  # of each claim, as the paper puts it: the better one first
        "all_beat_backbone": f"DNN +MAML{minus}DNN, AUC",
        "generated_beat_individual": f"DNN +APG{minus}DNN +MAML, AUC",
        "forms": f"DNN +AdaSparse, Binarization{minus}DNN, AUC",
        "head_gains": f"DNN +MAML{minus}DNN, GAUC of bin 1",
        "tail_gains": f"DNN +AdaSparse{minus}DNN, GAUC of bin 4",
        "sparsity_peak": f"DNN +AdaSparse{minus}DNN +AdaSparse, sparsity in [0.05, 0.1], AUC",
        "dcnv2_by_size": f"DCNv2{minus}DNN, AUC",
        "generated_harm": f"DNN{minus}DNN +APG, AUC",
    }
    assert {name: of(sample, name)["part"].iloc[0] for name in first} == first
    scores = load_runs(SAMPLE).study("main").metrics()
    means = scores[scores["changes"] == ""].groupby(["backbone", "method"])["auc"].mean()
    row = of(sample, "all_beat_backbone").iloc[0]
    assert row["mean"] == pytest.approx(means["dnn", "maml"] - means["dnn", "plain"])
    sides = of(sample, "tail_gains")["part"].str.split(minus)
    assert all("+MAML" in left or "+AdaSparse" in left for left, _ in sides)
    assert sum("+STAR" in right or "+APG" in right for _, right in sides) == 2 * 2 * 2 * 2
    costs = of(sample, "cheaper")["part"]
    assert costs.str.contains("multiply-adds of a row, APG : AdaSparse").sum() == 1


def test_only_a_claim_on_two_logs_is_settled_by_both(sample: pd.DataFrame) -> None:
    rows = of(sample, "dcnv2_by_size")

    assert rows["outcome"].iloc[1] == "open"
    assert "logs for both of the paper's" in rows["to_settle"].iloc[0]


@pytest.mark.parametrize("with_truth", [False, True])
def test_verdicts_have_the_words_of_their_budget(
    finished: Folder, search_of, with_truth: bool
) -> None:
    finished.write_data(with_truth=with_truth)
    runs = load_runs(finished.store.out)
    tuned = search_of(10)

    def verdicts(searches: tuple[SearchTrials, ...], **more: str) -> set[str]:
        own = replace(runs, searches=searches, **more)
        return set(claims.tabulate(own)["verdict"]) - {NOT_TESTABLE, NOT_RUN}

    muted = set(SMALL_TAGS.values())
    assert verdicts(()) <= muted  # the papers' values
    assert verdicts((tuned,)) <= muted  # three seeds
    assert verdicts((tuned,), preset="smoke") == {NO_VERDICT}


@pytest.mark.parametrize(
    ("num_trials", "numbers", "tuned_from", "budget"),
    [
        (10, (5, 7), "", "full"),
        (9, (5, 7), "", "small"),
        (10, (7, 4), "", "small"),  # finished, whatever was planned
        (10, (5, 7), "elsewhere", "small"),
        (10, (), "", "full"),  # counts alone
    ],
)
def test_budget_is_full_with_ten_trials_and_five_finished_runs_of_each_part(
    finished: Folder,
    search_of,
    num_trials: int,
    numbers: tuple[int, ...],
    tuned_from: str,
    budget: str,
) -> None:
    runs = replace(
        load_runs(finished.store.out), searches=(search_of(num_trials),), tuned_from=tuned_from
    )
    found = [Interval(0.01, 0.0, 0.02, number) for number in numbers]
    parts = [Part(label="a part", measure=lambda _level, one=one: one) for one in found]
    parts += [Part(label="a count", measure=counted(1.0), unit=COUNTED)]
    parts += [Part(label="not run", measure=absent)]

    assert budget_of(runs, [part.among(len(parts)) for part in parts]) == budget


def test_a_plan_without_main_cells_has_its_claims(studied: Folder) -> None:
    runs = load_runs(studied.store.out)
    alone = replace(runs.study("controls"), studies={"controls": runs.studies["controls"]})

    table = claims.tabulate(alone)

    assert len(of(table, "all_beat_backbone"))


def test_groups_of_domains_with_few_clicks_settle_nothing(finished: Folder) -> None:
    runs = load_runs(finished.store.out)
    (fingerprint,) = runs.fingerprints.values()
    domains = runs.domains(fingerprint).sort_values("eval_domain_id")

    def by_clicks(table: pd.DataFrame) -> np.ndarray:
        return 1 + (table["test_clicks"].to_numpy() > domains["test_clicks"].min())

    few = few_test_rows(runs, Family("world", "scenario"), by_clicks, 1)
    least = domains["test_clicks"].min()
    assert (few == "") == (least >= 20)
    assert few_test_rows(runs, Family("world", "scenario"), by_clicks, 3).startswith("0 clicks in")


def test_the_papers_printed_ranges_are_those_of_its_table() -> None:
    table = paper_values()["table1"]
    rows = [rows for log in table.values() for rows in log.values()]
    metrics = ("auc", "gauc")
    second = [row["adasparse"][m] - row["apg"][m] for row in rows for m in metrics]
    texts = {claim.name: claim.paper for claim in ANALYSIS.claims}

    assert f"by +{min(second):.4f} to +{max(second):.4f}" in texts["adasparse_best"]
    for metric in metrics:
        gains = [
            row[method][metric] - row["plain"][metric]
            for row in rows
            for method in ("maml", "star", "apg", "adasparse")
        ]
        text = f"{metric.upper()} +{min(gains):.4f} to +{max(gains):.4f}"
        assert text in texts["all_beat_backbone"]


def test_subjects_are_main_cells_unless_a_change_is_wanted(sample: pd.DataFrame) -> None:
    runs = load_runs(SAMPLE)
    evidence = Evidence(runs, Family(*sample[["dataset", "partition"]].iloc[0]))

    main = evidence.subject("dnn", "adasparse")

    assert {record.config.labels for record in main.runs.values()} == {"given"}
    assert not any(record.config.changes for record in main.runs.values())
    assert sorted(main.runs) == [(1, 1), (2, 1)]  # two draws, one seed


def test_what_was_not_run_is_named(finished: Folder) -> None:
    table = claims.tabulate(load_runs(finished.store.out))

    rows = of(table, "sparsity_peak")
    assert rows["verdict"].tolist() == [NOT_RUN]
    assert rows["to_settle"].tolist() == ["the study sparsity"]
    layout = claims.arrange(table)
    [here] = [row[2].text for row in layout.blocks[0].rows if row[0].text == rows["text"].iloc[0]]
    assert here.splitlines()[0] == "to settle it: the study sparsity"


def test_a_store_without_adasparse_has_verdicts(folder: Folder) -> None:
    folder.finish(config for config in folder.plan() if config.method == "plain")

    table = claims.tabulate(load_runs(folder.store.out))

    assert not table["verdict"].isin([*TAGS["yes"], SMALL_TAGS["yes"]]).any()
    assert set(of(table, "adasparse_best")["outcome"]) == {"open"}


def test_claim_on_sparsity_asks_for_models_that_keep_their_bounds(
    studied: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def first_part() -> JudgedPart:
        evidence = Evidence(load_runs(studied.store.out), Family("world", "scenario"))
        return catalogue.rises_and_falls(evidence)[0].among(2)

    part = first_part()  # layer0 prunes more than the bounds of the main cell allow
    assert part.outcome == "open"
    assert part.part.blocked == "a model that keeps to [0.15, 0.25], as 1 of 2 layers do"

    monkeypatch.setattr("reports.analysis.sparsity.TOLERANCE", 1.0)
    assert first_part().part.blocked == ""
