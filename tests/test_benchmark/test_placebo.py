"""The placebo: domains of the same sizes that say nothing, in the place of the true ones."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from benchmark.cost.counts import parameter_counts
from benchmark.planning.cells import configure
from benchmark.planning.studies import STUDIES, Change
from benchmark.protocol import PRESETS
from benchmark.running.grid import prepare_log
from benchmark.running.network_run import run_cell
from benchmark.store.records import RunStore
from benchmark.tasks import RunTask
from benchmark.training.build import assemble, build, domain_donors, row_hashes, seen_schema
from datasets.loader import EncodedRows
from models.registry import available

METHODS = [name for name in available("methods") if name != "plain"]
IDS = slice(-4, -1)  # domain, task and evaluation domain
PINNED = {"star": {}, "adasparse": {"pruner_input": "e_d"}}
READS_E_D = {"adasparse": True, "apg": True, "maml": False, "star": False}  # the papers' values
WITH_E_D = {"adasparse": {}, "apg": {}, "maml": {"adaptive_lr": True}} | {
    "mmoe": {"gate": "e_d"},
    "star": {"auxiliary_input": "domain"},
}


@pytest.fixture(scope="module")
def world(select, tmp_path_factory):
    """A generated log with candidates and 164 domains of three columns."""
    selection = select(preset=PRESETS["quick"], world_rows=60_000)
    cache = tmp_path_factory.mktemp("cache")
    return prepare_log("synthetic_production@1", None, cache, selection)


@pytest.fixture
def cell_of(log, select, tmp_path):
    """A function that makes a short cell on the small log."""

    def make(backbone, method, ids="placebo", **pinned):
        change = Change(method=method, ids=ids, pinned=pinned)
        config = configure(select(), "tiny", log, backbone, change)
        protocol = replace(config.protocol, max_epochs=1, patience_epochs=1)
        config = replace(config, protocol=protocol)
        return RunTask(config=config, data=log, out=tmp_path / "out")

    return make


def spans_of(data):
    spans = {**data.split, "candidates": data.candidates}
    assert [span.start for span in spans.values()][1:] == [s.stop for s in data.split.values()]
    return spans


def rows_of(config, log):
    donors = domain_donors(log) if config.is_placebo else None
    return EncodedRows(log.rows(), seen_schema(config, log.schema), "cpu", None, donors)


def both_arms(cell_of, log, backbone, method, **pinned):
    """Model and rows of the true arm and of the placebo."""
    configs = [cell_of(backbone, method, ids, **pinned).config for ids in ("own", "placebo")]
    models = [build(c, seen_schema(c, log.schema), base_rate=0.5) for c in configs]
    return models, [rows_of(c, log) for c in configs]


def splitmix64(state):
    """One step of the generator, in Python's integers."""
    mask = (1 << 64) - 1
    state = (state + 0x9E3779B97F4A7C15) & mask
    z = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return state, z ^ (z >> 31)


def test_row_hashes_are_the_outputs_of_splitmix64():
    state, expected = 0, []
    for _ in range(1_000):
        state, output = splitmix64(state)
        expected.append(output)

    assert row_hashes(range(1_000)).tolist() == expected
    assert row_hashes(range(990, 1_000)).tolist() == expected[990:]
    assert expected[:2] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4]  # published for the state 0


def test_every_split_keeps_its_sizes_in_each_column_and_jointly(world):
    rows, donors = world.rows(), domain_donors(world)
    num_columns = world.schema.num_domain_fields
    columns = np.concatenate([rows[:, :num_columns], rows[:, IDS]], axis=1)
    orders = []

    for span in spans_of(world).values():
        assert len(span) > 1_000
        own, placebo = columns[span.start : span.stop], columns[donors][span.start : span.stop]
        for left, right in zip(own.T, placebo.T, strict=True):
            assert np.array_equal(np.bincount(left), np.bincount(right))
        joint = [np.unique(c, axis=0, return_counts=True) for c in (own, placebo)]
        assert all(np.array_equal(*pair) for pair in zip(*joint, strict=True))
        orders.append(donors[span.start : span.start + 1_000] - span.start)
    assert not any(np.array_equal(orders[0], order) for order in orders[1:])


@pytest.mark.parametrize("column", [-4, -3, "label"], ids=["domain", "task", "label"])
def test_placebo_says_as_much_of_a_row_as_chance(world, column):
    span = world.split["train"]
    rows, donors = world.rows()[span.start : span.stop], domain_donors(world)[: span.stop]
    own = rows[:, -1 if column == "label" else column]
    placebo = rows[donors, -4 if column == "label" else column]
    own, placebo = (np.minimum(ids, 30) for ids in (own, placebo))  # rare domains are one

    counts = np.zeros((31, 31))
    np.add.at(counts, (own, placebo), 1)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    statistic = ((counts - expected) ** 2 / expected).sum()  # Pearson's
    freedom = (counts.shape[0] - 1) * (counts.shape[1] - 1)

    assert abs(statistic - freedom) < 5.0 * np.sqrt(2.0 * freedom)


def test_few_rows_keep_their_own_domain(world):
    donors = domain_donors(world)

    assert (donors == np.arange(len(donors))).sum() < 20
    assert np.array_equal(donors, domain_donors(world))


def test_batch_shows_the_inputs_of_its_rows_and_the_domain_of_others(cell_of, log):
    rows, donors = rows_of(cell_of("dnn", "apg").config, log), domain_donors(log)
    encoded = torch.from_numpy(log.rows())
    row_ids = torch.tensor([7, 0, 1_250, 1_700])

    for batch, own in (
        (rows.batch(row_ids), row_ids),
        (rows.range(1_100, 1_300), torch.arange(1_100, 1_300)),
    ):
        other = encoded[donors[own]]
        assert torch.equal(batch.codes, encoded[own, :3])
        assert torch.equal(batch.domain_codes, other[:, :2])
        assert torch.equal(batch.domain_id, other[:, -4])
        assert torch.equal(batch.task_id, other[:, -3])
        assert torch.equal(batch.eval_domain_id, encoded[own, -2])
        assert torch.equal(batch.label, encoded[own, -1].float())


@pytest.mark.parametrize("method", METHODS)
def test_inputs_start_as_those_of_the_true_arm(cell_of, log, method):
    models, rows = both_arms(cell_of, log, "dnn", method)

    true, placebo = (m.embed(r.range(0, 500)) for m, r in zip(models, rows, strict=True))

    assert torch.equal(true.x_0, placebo.x_0)
    assert torch.equal(true.e_d, true.x_0[:, : true.e_d.shape[1]])
    reads_e_d = READS_E_D.get(method, models[0].method.reads_e_d)
    assert placebo.e_d.shape[1] == (true.e_d.shape[1] if reads_e_d else 0)


def test_e_d_and_inputs_have_no_row_in_common(cell_of, log):
    (_, model), (_, rows) = both_arms(cell_of, log, "dnn", "adasparse")
    num_shared = 1 + sum((*log.schema.field_sizes, *log.schema.bag_sizes))
    reached = []

    for name in ("e_d", "x_0"):
        getattr(model.embed(rows.range(0, 500)), name).square().sum().backward()
        reached.append(model.embedding.weight.grad.to_dense().any(dim=1))
        model.embedding.weight.grad = None

    of_e_d, of_x_0 = reached
    assert of_e_d[num_shared:].any()
    assert not of_e_d[:num_shared].any()
    assert of_x_0[1:num_shared].any()
    assert not of_x_0[num_shared:].any()


@pytest.mark.parametrize("backbone", available("backbones"))
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("reads_e_d", [False, True])
def test_placebo_has_as_many_parameters_but_for_the_rows_of_e_d(
    cell_of, log, backbone, method, reads_e_d
):
    pinned = WITH_E_D.get(method, {}) if reads_e_d else {}
    configs = [cell_of(backbone, method, ids, **pinned).config for ids in ("own", "placebo")]

    models = [assemble(config, seen_schema(config, log.schema)) for config in configs]
    true, placebo = (parameter_counts(model, model) for model in models)

    does_read = READS_E_D.get(method, models[0].method.reads_e_d)
    has_rows = (reads_e_d and method in WITH_E_D) or does_read
    added = sum(log.schema.field_sizes[:2]) * configs[0].protocol.embedding_dim * has_rows
    for name in ("dense_parameters", "domain_parameters", "domain_buffers"):
        assert placebo[name] == true[name]
    for name in ("embedding_parameters", "served_parameters"):
        assert placebo[name] == true[name] + added


def test_layout_gives_the_rows_of_e_d_the_numbers_of_their_fields(cell_of, log):
    (_, model), _ = both_arms(cell_of, log, "dnn", "adasparse")
    counts = [torch.from_numpy(count) for count in log.frequencies()]

    numbers = model.embedding.layout(counts)

    assert len(numbers) == len(model.embedding.weight)
    assert torch.equal(numbers[-sum(log.schema.field_sizes[:2]) :], torch.cat(counts[:2]))


@pytest.mark.parametrize("method", METHODS)
def test_placebo_trains_and_repeats_itself(cell_of, method):
    cell = cell_of("dnn", method)
    store = RunStore(cell.out)
    folder = store.run_folder(cell.config)
    found = []

    for _ in range(2):
        run_cell(cell)
        record = json.loads((folder / "record.json").read_text())
        found.append((record["metrics"], record["digests"]))

    assert found[0] == found[1]
    record = store.read(folder)
    assert record.config.is_placebo
    assert np.isfinite(record.metrics["test"]["logloss"])
    assert not (folder / "weights.npz").exists()
    test = pl.read_parquet(folder / "predictions.parquet").filter(split="test")
    span = cell.data.split["test"]  # metrics group by the true domains
    assert np.array_equal(test["eval_domain_id"], cell.data.rows()[span.start : span.stop, -2])


def test_placebo_changes_one_field_of_the_main_cell(cell_of):
    for method in METHODS:
        main, placebo = (cell_of("dnn", method, ids).config for ids in ("own", "placebo"))

        assert replace(placebo, domains="given") == main
        assert placebo.changes == ["placebo domains"]
        assert "domains" not in main.identity()
        assert placebo.run_id != main.run_id
        assert placebo.slot_id != main.slot_id


def test_controls_have_a_placebo_of_every_method(select):
    changes = STUDIES["controls"].changes_of(["plain", "star", "domain_gain"], 3)

    placebos = [change for change in changes if change.ids == "placebo"]
    assert [change.label for change in placebos] == [
        "star (placebo domains)",
        "domain_gain (placebo domains)",
    ]
    assert STUDIES["main"].compares_all
    assert not STUDIES["controls"].compares_all


@pytest.mark.parametrize("method", ["star", "adasparse"])
def test_true_domains_beat_their_placebo_where_they_matter(
    tmp_path, tiny_log, select, train, method
):
    rng = np.random.default_rng(5)
    place, item = rng.integers(0, 6, 9_000), rng.integers(0, 20, 9_000)
    taste = rng.normal(0.0, 1.5, (6, 20))  # every place has its own
    click = rng.random(9_000) < 1.0 / (1.0 + np.exp(1.0 - taste[place, item]))
    columns = {"time": np.arange(9_000), "click": click.astype(int), "place": place, "item": item}
    others = {"price": np.zeros(9_000), "tags": ["none"] * 9_000}
    pl.DataFrame(columns | others).write_csv(tiny_log.with_suffix(".csv"))
    log = prepare_log(str(tiny_log), None, tmp_path / "cache", select())
    fast = {"learning_rate": 0.02, "max_epochs": 6, "patience_epochs": 6}

    own, placebo = (
        train(log, Change(method=method, ids=ids, pinned=PINNED[method]), **fast)
        for ids in ("own", "placebo")
    )

    assert own.metrics["test"]["auc"] > placebo.metrics["test"]["auc"] + 0.05


@pytest.mark.slow
def test_controls_have_their_placebos_through_the_command_line(run_all, tiny_log):
    report = tiny_log.parent / "out" / "report"

    done = run_all(
        *("--preset", "quick", "--data", tiny_log, "--out", report.parent, "--seeds", 2),
        *("--only", "awareness", "--methods", "plain", "adasparse", "star", "--trials", 0),
        has_mlflow=True,
    )

    assert done.returncode == 0, done.stderr
    table = pl.read_csv(report / "tables" / "awareness.csv")
    assert table["method"].to_list() == ["star", "star", "adasparse", "adasparse"]
    assert table["runs"].to_list() == [2] * 4
    added = 4 * PRESETS["quick"].protocol.embedding_dim  # three places, and those unseen
    assert table["added_parameters"].to_list() == [0, 0, added, added]
    assert (report / "figures" / "gain_parts.png").is_file()
    assert "STAR on DNN" in (report / "index.html").read_text()
