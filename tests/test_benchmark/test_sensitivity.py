"""The study of settings and splits: which cells it has, how they are named, and what they share."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from benchmark.config import Regularisers, RunConfig
from benchmark.planning.cells import configure, lay_out, variants_to_prepare
from benchmark.planning.studies import Change
from benchmark.protocol import COMPACT, PAPER_PUBLIC, PRESETS, base_of, setting_of, with_setting
from benchmark.running.grid import prepare_log
from benchmark.running.schedule import Agenda
from benchmark.store.records import RunStore
from benchmark.store.trials import Trial, read_given, write_best
from benchmark.training.build import build
from datasets.spec import VARIANTS

CUTS = {f"split {name}" for name in VARIANTS if name != "shuffled"}
OF_COMPACT = {  # its own values are embedding size 8, tanh, 0.001 and 0.01
    *("embedding size 16", "embedding size 32", "activation relu"),
    *("learning rate 0.0003", "learning rate 0.003", "embedding std 0.1", "embedding std 0.3"),
}
METHODS = ("adasparse", "apg", "plain")


def own_cells(plan):
    return [plan.slots[slot] for slot in plan.studies["sensitivity"] if plan.slots[slot].changes]


def changes_of(plan):
    return {" ".join(config.changes) for config in own_cells(plan)}


@pytest.mark.parametrize(
    ("preset", "settings", "methods"),
    [
        ("smoke", {"split shuffled", "embedding size 16"}, {"plain", "adasparse"}),
        ("quick", {"split shuffled", *OF_COMPACT, *CUTS}, {"plain", "adasparse"}),
        (
            "standard",
            {"split shuffled", *OF_COMPACT, *CUTS, "embedding size 8"} - {"embedding size 16"},
            set(METHODS),
        ),
    ],
)
def test_settings_and_methods_of_a_preset(logs, select, preset, settings, methods):
    plan = lay_out(select(preset=PRESETS[preset], methods=METHODS, num_seeds=1), logs)

    assert changes_of(plan) == settings
    cells = {(" ".join(c.changes), c.method) for c in own_cells(plan)}
    assert cells == {(setting, method) for setting in settings for method in methods}
    assert {config.backbone for config in own_cells(plan)} == {"dnn"}
    mains = set(plan.studies["sensitivity"]) & set(plan.studies["main"])
    assert {plan.slots[slot].method for slot in mains} == methods


def test_a_split_that_could_not_be_prepared_has_no_cells(logs, select):
    del logs["tiny, cut 1"]

    plan = lay_out(select(preset=PRESETS["quick"], num_seeds=1), logs)

    assert changes_of(plan) == {"split shuffled", *OF_COMPACT, *CUTS} - {"split cut 1"}


def test_values_tuned_under_the_protocol_are_taken_for_its_settings(
    logs, select, tmp_path, make_search
):
    plan = lay_out(select(studies=["sensitivity"], num_trials=0, num_seeds=1), logs)
    for number, name in enumerate(("smoke", "compact")):
        for method in ("plain", "adasparse"):
            base = configure(select(), "tiny", logs["tiny"], "dnn", Change(method=method))
            protocol = replace(base.protocol, name=name)
            config = replace(
                base, protocol=protocol, regularisers=Regularisers(dropout=0.1 * (1 + number))
            )
            names = {"dataset": base.dataset, "partition": "+".join(base.partition)}
            search = make_search(method=method, **names)
            trial = Trial(index=0, config=config, params={}, state="complete", value=0.7)
            write_best(tmp_path / name / method, search, trial)

    agenda = Agenda(plan, RunStore(tmp_path / "out"), given=read_given(tmp_path))

    assert {config.regularisers.dropout for config in agenda.slots.values()} == {0.1}


def test_without_adasparse_the_first_other_method_is_compared(logs, select):
    selection = select(preset=PRESETS["quick"], methods=("apg", "plain", "star"), num_seeds=1)

    assert {c.method for c in own_cells(lay_out(selection, logs))} == {"plain", "apg"}


def test_cells_differ_in_what_they_are_named_after_alone(logs, select):
    plan = lay_out(select(num_seeds=1), logs)
    usual = configure(select(), "tiny", logs["tiny"], "dnn", Change(method="plain")).to_json()

    for config in own_cells(plan):
        content = config.to_json() | {"protocol": config.to_json()["protocol"] | {"name": "smoke"}}
        varied = {name for name in content if content[name] != usual[name]}
        varied -= {"method", "method_config"}
        assert varied == (
            {"split", "data_fingerprint"} if "split" in config.title else {"protocol"}
        )
        protocol = setting_of(config.protocol, PRESETS["smoke"].protocol)
        assert len(protocol) == (0 if "split" in config.title else 1)
    assert len({config.run_id for config in plan.slots.values()}) == len(plan.slots)


def test_variants_are_prepared_where_cells_need_them(log, select):
    found = variants_to_prepare(select(), {"tiny": log})

    assert found == {f"tiny, {name}": ("tiny", name) for name in VARIANTS}
    assert not variants_to_prepare(select(studies=["main"]), {"tiny": log})


def test_log_without_times_has_settings_alone(tiny_log, tmp_path, select):
    tiny_log.write_text(tiny_log.read_text().replace('timestamp = "time"\n', ""))
    log = prepare_log(str(tiny_log), None, tmp_path / "cache", select())
    quick = select(preset=PRESETS["quick"])

    assert not variants_to_prepare(quick, {"tiny": log})
    assert changes_of(lay_out(quick, {"tiny": log})) == OF_COMPACT


def test_a_setting_is_named_after_the_protocol_and_its_values():
    protocol = with_setting(COMPACT, {"learning_rate": 3e-4, "activation": "relu"})

    assert protocol.name == "compact, activation relu, learning rate 0.0003"
    assert base_of(protocol) == base_of(COMPACT) == COMPACT
    assert setting_of(protocol, COMPACT) == {"activation": "relu", "learning_rate": 3e-4}
    assert with_setting(PAPER_PUBLIC, {}) == PAPER_PUBLIC
    with pytest.raises(ValueError, match="embedding_std must be above 0, got 0"):
        with_setting(COMPACT, {"embedding_std": 0.0})


def test_usual_start_of_embeddings_is_no_part_of_the_identity(make_config):
    usual, other = make_config(), make_config(protocol=replace(COMPACT, embedding_std=0.1))
    content = usual.to_json()
    del content["protocol"]["embedding_std"]

    assert RunConfig.from_json(content) == usual
    assert "embedding_std" not in usual.identity()["protocol"]
    assert other.run_id != usual.run_id
    assert other.changes == ["embedding std 0.1"]


@pytest.mark.parametrize("std", [0.01, 0.3])
def test_embeddings_start_as_the_protocol_says(log, select, std):
    change = Change(method="plain", setting={"embedding_std": std})
    config = configure(select(), "tiny", log, "dnn", change)

    weight = build(config, log.schema, base_rate=0.5).embedding.weight

    assert weight[1:].std().item() == pytest.approx(std, rel=0.15)


@pytest.mark.slow
def test_front_door_runs_the_study_and_writes_its_table(run_all, tiny_log, tmp_path):
    out = tmp_path / "out"

    done = run_all(
        *("--preset", "smoke", "--data", tiny_log, "--out", out, "--jobs", 1, "--trials", 0),
        *("--only", "sensitivity", "--methods", "plain", "adasparse"),
    )

    assert done.returncode == 0, done.stderr
    word = f"preparing {tiny_log}, shuffled"
    assert word in done.stdout
    assert "the same rows split by a seeded shuffle" in done.stdout
    plan = json.loads((out / "plan.json").read_text())
    assert len(plan["slots"]) == 2 * 2 * 3  # seeds, methods, settings
    table = (out / "report" / "tables" / "sensitivity.md").read_text()
    assert "| split shuffled" in table
    assert "| embedding size 16" in table
