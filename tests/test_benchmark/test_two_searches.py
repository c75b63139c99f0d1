"""One search leads to each cell, with equal trials; a preset may search the main cells twice."""

from collections import defaultdict
from dataclasses import replace

import pytest

from benchmark.command_line.dry_run import searched_models
from benchmark.planning.cells import lay_out
from benchmark.planning.hyperparameters import shared_space
from benchmark.planning.selection import logs_of
from benchmark.protocol import PRESETS
from benchmark.references.registry import REFERENCES
from benchmark.running.schedule import Agenda
from benchmark.store.plan import read_plan
from benchmark.store.records import RunStore
from benchmark.store.trials import Trial, write_trial
from benchmark.tasks import Outcome, TrialTask
from models.registry import available
from reports.verify import verify

TWICE = replace(PRESETS["smoke"], num_searches=2, max_changes=None)


def do_trials(agenda, limit=None):
    """Try what is ready, without training; the value is a number of the configuration's."""
    done = []
    while (limit is None or len(done) < limit) and isinstance(task := agenda.take(), TrialTask):
        value = int(task.config.run_id, 16) % 1000 / 1000
        trial = Trial(
            index=task.index, config=task.config, params=task.params, state="complete", value=value
        )
        write_trial(task.out / task.folder, trial)
        agenda.settle(Outcome(task=task, seconds=0.1, cpu_seconds=0.1))
        done.append(task)
    return done


@pytest.fixture
def make(log, select, tmp_path):
    """A function that makes an agenda over an output folder."""

    def agenda(name="out", *, given=None, studies=("main", "retuned"), **changes):
        values = {"preset": TWICE, "num_trials": 6, "num_seeds": 1} | changes
        layout = lay_out(select(studies=studies, **values), {"tiny": log})
        return Agenda(layout, RunStore(tmp_path / name), given=given)

    return agenda


def test_each_model_has_one_search_and_plain_dnn_too(make):
    agenda = make(studies=("main", "references"), methods=available("methods"))

    tasks = do_trials(agenda)

    num_methods = len(available("methods"))
    assert len(agenda.searches) == 2 * num_methods + len(REFERENCES)  # on two backbones
    assert {len(searching.trials) for searching in agenda.searches.values()} == {6}
    run_ids = [task.config.run_id for task in tasks]
    assert len(run_ids) == len(set(run_ids))
    trials = [trial for searching in agenda.searches.values() for trial in searching.trials]
    assert {trial.config.run_id for trial in trials} == set(run_ids)


def test_a_trial_that_another_search_has_made_is_copied(make):
    agenda = make(methods=("adasparse",), backbones=("dnn",))

    tasks = do_trials(agenda)

    first, second = (s.trials for s in agenda.searches.values())
    assert first[0].config.run_id == second[0].config.run_id  # the papers' values
    assert [(t.config.search, t.index) for t in tasks if t.index == 0] == [(1, 0)]
    assert second[0] == replace(first[0], config=second[0].config)
    assert do_trials(make(methods=("adasparse",), backbones=("dnn",))) == []


def test_trial_k_of_every_method_tries_the_same_shared_values(make):
    agenda = make(methods=available("methods"))

    do_trials(agenda)

    tried = defaultdict(list)
    for key, searching in agenda.searches.items():
        for trial in searching.trials:
            names = shared_space(key.backbone)
            place = (key.backbone, key.search, trial.index)
            tried[place].append({name: trial.params[name] for name in names})

    assert {len(values) for values in tried.values()} == {len(available("methods"))}
    assert all(value == values[0] for values in tried.values() for value in values)
    assert len({str(values[0]) for values in tried.values()}) > len(tried) / 2


def test_two_searches_have_their_own_folders_draws_and_cells(make):
    agenda = make(methods=("adasparse",), backbones=("dnn",))
    do_trials(agenda)

    first, second = (agenda.searches["tiny", "dnn", "adasparse", number] for number in (1, 2))
    assert first.search.folder != second.search.folder
    assert second.search.title == "tiny/place+item dnn+adasparse (second search)"
    params = [[trial.params for trial in searching.trials] for searching in (first, second)]
    assert params[0][0] == params[1][0]  # the papers' values
    assert all(one != other for one, other in zip(*(p[1:] for p in params), strict=True))
    main, again = (
        [agenda.slots[slot] for slot in agenda.plan.studies[study]] for study in ("main", "retuned")
    )
    assert again == [*main, *(config for config in again if config.search == 2)]
    for config in again:
        best = (first, second)[config.search - 1].best
        assert config.regularisers == best.regularisers
        assert {**config.method_config} == {**best.method_config}
    assert len({config.slot_id for config in again}) == len(again) == 2
    assert again[1].changes == ["second search"]


def test_a_second_search_changes_nothing_else(make):
    agenda = make(methods=("plain",), backbones=("dcnv2",))

    first, second = (agenda._layout.bases["tiny", "dcnv2", "plain", number] for number in (1, 2))

    assert replace(second, search=1) == first
    assert first.run_id == second.run_id
    assert first.slot_id != second.slot_id


@pytest.mark.parametrize(
    "changes", [{"preset": PRESETS["smoke"]}, {"num_trials": 0}, {"studies": ["main"]}]
)
def test_without_a_second_search_there_are_no_cells_of_it(log, select, changes):
    values = {"preset": TWICE, "studies": ["main", "retuned"], "num_trials": 2} | changes
    selection = select(**values)

    assert logs_of("retuned", selection) == []
    layout = lay_out(selection, {"tiny": log})
    assert {config.search for config in layout.slots.values()} == {1}
    assert {key.search for key in layout.bases} <= {1}


@pytest.mark.parametrize(("name", "count"), [("quick", 4 + 2), ("standard", 2 * (4 + 2 + 4))])
def test_searches_of_a_preset_are_counted(select, name, count):
    preset = PRESETS[name]
    selection = select(
        preset=preset,
        studies=["main", "references", "retuned"],
        data=preset.data,
        backbones=["dnn", "dcnv2"],
        methods=["plain", "star"],
    )

    assert len(searched_models(selection)) == count


def test_cells_of_second_searches_have_the_seeds_of_other_studies(log, select):
    preset = replace(TWICE, real_main_seeds=4, real_seeds=3)
    studies = ["main", "retuned"]
    layout = lay_out(select(preset=preset, num_seeds=None, studies=studies), {"tiny": log})

    seeds = {layout.slots[slot].seed for slot in layout.studies["retuned"]}
    second = [config for config in layout.slots.values() if config.search == 2]

    assert seeds == {1, 2, 3}
    assert {(c.backbone, c.method) for c in second} == {
        (backbone, method) for backbone in ("dnn", "dcnv2") for method in ("adasparse", "plain")
    }
    assert len(second) == 3 * 4


@pytest.mark.slow
def test_command_line_searches_twice_reports_and_verifies(run_all, tiny_log, tmp_path):
    out = tmp_path / "out"
    words = ("--preset", "standard", "--data", tiny_log, "--out", out, "--only", "retuned")
    words = (*words, "--seeds", 2, "--trials", 2, "--backbones", "dcnv2", "--jobs", 2)
    words = (*words, "--methods", "plain", "adasparse", "star")

    dry = run_all("--dry-run", *words)
    done = run_all(*words)

    assert "2 trials for each search, two searches for each main cell" in dry.stdout
    assert done.returncode == 0, done.stderr
    assert len(read_plan(out).searches) == 6
    assert verify(out).differences == []
    text = (out / "report" / "tables" / "retuned.md").read_text()
    assert "a comparison of two models changes by about" in text
    assert "(3 models)" in text
