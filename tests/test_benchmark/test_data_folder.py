"""What the store keeps of a generated log, and that its files give every number of a record."""

import json

import numpy as np
import polars as pl
import pytest

from benchmark.metrics import evaluate
from benchmark.metrics.logloss import row_logloss
from benchmark.planning.studies import Change
from benchmark.running.grid import prepare_log
from benchmark.store.data_folder import store_data
from benchmark.store.files import SCHEMA_VERSION
from benchmark.store.records import RunStore
from datasets.encoding.fitted import FILES


@pytest.fixture(scope="module")
def world(tmp_path_factory, select):
    """A small generated log."""
    root = tmp_path_factory.mktemp("world")
    return prepare_log(
        "synthetic_production", root / "raw", root / "cache", select(world_rows=6_000)
    )


@pytest.fixture
def stored(world, tmp_path):
    """A store with the data of the world, and their folder."""
    store = RunStore(tmp_path / "out")
    store_data(store, world)
    return store, store.data_folder(world.fingerprint)


def count_pairs(p_click, score):
    """Expected AUC over all ordered pairs of different rows; nan without one."""
    p_click, score = np.asarray(p_click), np.asarray(score)
    weight = np.outer(p_click, 1.0 - p_click)
    np.fill_diagonal(weight, 0.0)
    wins = (score[:, None] > score) + 0.5 * (score[:, None] == score)
    return (weight * wins).sum() / weight.sum() if p_click.size > 1 else np.nan


def count_by_domain(rows, score):
    """Expected AUC and rows of each domain that occurs, as arrays."""
    parts = [part for _, part in rows.group_by("eval_domain_id", maintain_order=True)]
    auc = np.array([count_pairs(part["p_click"], part[score]) for part in parts])
    return auc, np.array([part.height for part in parts])


def test_truth_in_the_store_is_that_of_dev_and_test_rows(world, stored):
    _, folder = stored

    truth = pl.read_parquet(folder / "truth.parquet")

    for split in ("dev", "test"):
        span = slice(world.split[split].start, world.split[split].stop)
        own = truth.filter(split=split)
        assert own["row_id"].to_list() == world.row_ids()[span].tolist()
        assert own["p_click"].to_list() == world.p_click()[span].tolist()
        assert own["cluster"].to_list() == world.clusters()[span].tolist()
        assert own["block"].to_list() == world.blocks()[span].tolist()
        assert own["block"].n_unique() == 20
    assert truth["label"].mean() == pytest.approx(truth["p_click"].mean(), abs=0.03)


@pytest.mark.parametrize("split", ["dev", "test"])
def test_ceiling_on_the_card_is_the_score_of_the_truth_itself(world, stored, split):
    store, folder = stored
    rows = pl.read_parquet(folder / "truth.parquet").filter(split=split)
    p_click = rows["p_click"].to_numpy()

    ceiling = store.read_card(world.fingerprint)["ceiling"][split]

    auc, impressions = count_by_domain(rows, "p_click")
    kept = impressions > 1
    entropy = -(p_click * np.log(p_click) + (1 - p_click) * np.log(1 - p_click))
    assert ceiling["expected_auc"] == pytest.approx(count_pairs(p_click, p_click), abs=1e-12)
    gauc = np.average(auc[kept], weights=impressions[kept])
    assert ceiling["expected_gauc"] == pytest.approx(gauc, abs=1e-12)
    assert ceiling["expected_gauc_domains"] == kept.sum()
    assert ceiling["expected_logloss"] == pytest.approx(entropy.mean(), abs=1e-12)


def test_ceiling_of_each_domain_is_that_of_its_test_rows(stored):
    _, folder = stored
    rows = pl.read_parquet(folder / "truth.parquet").filter(split="test")

    domains = pl.read_parquet(folder / "domains.parquet")

    assert domains["eval_domain_id"].to_list() == list(range(domains.height))
    for row in domains.to_dicts():
        p_click = rows.filter(eval_domain_id=row["eval_domain_id"])["p_click"].to_numpy()
        expected = count_pairs(p_click, p_click)
        assert row["test_expected_clicks"] == pytest.approx(p_click.sum())
        assert row["ceiling_expected_auc"] == pytest.approx(expected, abs=1e-12, nan_ok=True)
        assert np.isnan(row["ceiling_expected_logloss"]) == (p_click.size == 0)


def test_candidates_and_planted_similarity_are_in_the_store(world, stored):
    _, folder = stored

    candidates = pl.read_parquet(folder / "candidates.parquet")

    assert candidates.columns == ["request_id", "bid", "p_click", "eval_domain_id"]
    assert candidates.equals(world.candidate_table())
    with np.load(folder / "similarity.npz") as arrays:
        own, planted = world.similarity()
        np.testing.assert_array_equal(arrays["planted_eval_domain_id"], own)
        np.testing.assert_array_equal(arrays["planted"], planted)


@pytest.mark.parametrize("method", ["plain", "maml"])
def test_expected_metrics_of_a_run_follow_from_the_files_of_the_store(world, stored, train, method):
    _, data = stored

    record = train(world, Change(method=method), learning_rate=0.01)

    truth = pl.read_parquet(data / "truth.parquet").drop("label", "eval_domain_id")
    predictions = pl.read_parquet(record.path / "predictions.parquet")
    for split in ("dev", "test"):
        rows = predictions.filter(split=split).join(truth, on=["split", "row_id"])
        auc, impressions = count_by_domain(rows, "logit")
        kept = impressions > 1
        scores = {
            "expected_auc": count_pairs(rows["p_click"], rows["logit"]),
            "expected_gauc": np.average(auc[kept], weights=impressions[kept]),
            "expected_gauc_domains": kept.sum(),
            "expected_logloss": row_logloss(rows["p_click"], rows["logit"]).mean(),
        }
        found = {name: record.metrics[split][name] for name in scores}
        assert found == pytest.approx(scores, abs=1e-12)


@pytest.mark.parametrize("method", ["plain", "maml"])
def test_logits_of_candidates_rank_them_as_the_truth_does(world, train, method):
    record = train(world, Change(method=method), learning_rate=0.01)

    candidates = pl.read_parquet(record.path / "candidates.parquet")

    assert candidates.schema == {"logit": pl.Float32}
    truth = world.candidate_table()["p_click"].to_numpy()
    assert candidates.height == truth.size == len(world.candidates)
    assert count_pairs(truth, candidates["logit"]) > 0.6  # about 0.5 if rows are not aligned


def test_a_run_on_a_log_without_truth_has_no_expected_metrics(log, train, tmp_path):
    store = RunStore(tmp_path / "out")
    store_data(store, log)

    folder = train(log, Change(method="plain")).path

    record = json.loads((folder / "record.json").read_text())

    assert record["schema_version"] == SCHEMA_VERSION
    assert not [name for name in record["metrics"]["test"] if name.startswith("expected")]
    assert "candidates.parquet" not in record["digests"]
    kept = {path.name for path in store.data_folder(log.fingerprint).iterdir()} - {*FILES}
    assert kept == {"card.json", "domains.parquet", "schema.json", "similarity.npz"}


def test_gauc_does_not_pool_domains_that_train_has_not_seen(tiny_log, tmp_path, select, train):
    rows = pl.read_csv(tiny_log.with_suffix(".csv"), schema_overrides={"place": pl.String})
    index = pl.int_range(pl.len())
    unseen = pl.when(index >= 1_500).then(pl.format("new{}", index % 5))  # the test split
    rows.with_columns(place=unseen.otherwise("place")).write_csv(tiny_log.with_suffix(".csv"))
    log = prepare_log(str(tiny_log), None, tmp_path / "cache", select())

    record = train(log, Change(method="plain"), learning_rate=0.01)

    metrics = record.metrics["test"]
    test = pl.read_parquet(record.path / "predictions.parquet").filter(split="test")
    pooled = evaluate(test["label"], test["logit"], np.zeros(len(test), np.int32))
    assert metrics["domains"] == 5
    assert metrics["gauc"] != pytest.approx(pooled["gauc"])
