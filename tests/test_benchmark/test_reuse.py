"""Tuned values read back from files: which of several searches a call takes."""

from pathlib import Path

import pytest

from benchmark.config import ConfigError, Regularisers
from benchmark.planning.cells import lay_out
from benchmark.protocol import COMPACT, PAPER_PRODUCTION, PAPER_PUBLIC
from benchmark.running.schedule import Agenda
from benchmark.store.records import RunStore
from benchmark.store.trials import BestKey, Given, Trial, Tuned, read_given, write_best


@pytest.fixture
def write(tmp_path, make_config, make_search):
    """A function that writes what a search of a protocol chose into a folder of its own."""

    def write_file(name, protocol, dropout, **changes):
        config = make_config(protocol=protocol, regularisers=Regularisers(dropout=dropout))
        trial = Trial(index=0, config=config, params={}, state="complete", value=0.7)
        write_best(tmp_path / name, make_search(**changes), trial)

    return write_file


def key_of(protocol, search=1):
    return BestKey("synthetic", "scenario", "dnn", "plain", search, protocol.name)


def test_of_two_searches_that_of_the_protocol_is_taken(write, tmp_path):
    write("one", COMPACT, 0.1)
    write("two", PAPER_PUBLIC, 0.2, num_trials=20)

    given = read_given(tmp_path)

    for name, protocol, dropout in (("one", COMPACT, 0.1), ("two", PAPER_PUBLIC, 0.2)):
        path, tuned = given.find(key_of(protocol))
        assert path == tmp_path / name / "best.json"
        assert tuned.regularisers.dropout == dropout
    with pytest.raises(ConfigError, match="under the protocols compact, paper_public"):
        given.find(key_of(PAPER_PRODUCTION))


def test_searches_of_one_protocol_that_differ_are_refused_with_both_files(write, tmp_path):
    write("one", COMPACT, 0.1)
    write("two", COMPACT, 0.2)

    with pytest.raises(ConfigError, match=r"one/best.json and .*two/best.json differ about"):
        read_given(tmp_path)


def test_a_model_has_the_values_of_its_first_search(write, tmp_path):
    write("one", COMPACT, 0.1)
    write("two", COMPACT, 0.2, number=2)

    path, tuned = read_given(tmp_path).find(key_of(COMPACT))

    assert path == tmp_path / "one" / "best.json"
    assert tuned.regularisers.dropout == 0.1


def test_values_of_a_second_search_alone_are_no_models(write, tmp_path):
    write("two", COMPACT, 0.2, number=2)

    with pytest.raises(ConfigError, match=r"no best.json for synthetic/scenario dnn\+plain"):
        read_given(tmp_path).find(key_of(COMPACT))


def test_a_model_that_was_not_tuned_is_named(write, tmp_path):
    write("one", COMPACT, 0.1)

    with pytest.raises(ConfigError, match=r"no best.json for synthetic/scenario dnn\+star"):
        read_given(tmp_path).find(key_of(COMPACT)._replace(method="star"))


def test_a_value_that_the_method_refuses_is_named_with_its_file(log, select, tmp_path):
    selection = select(studies=["main"], backbones=("dnn",), methods=("adasparse",))
    layout = lay_out(selection, {"tiny": log})
    config = next(iter(layout.slots.values()))
    key = BestKey("tiny", "place+item", "dnn", "adasparse", 1, config.protocol.name)
    values = Tuned(backbone_config={}, method_config={"beta": 0.5}, regularisers=Regularisers())
    given = Given(folder=Path("old"), values={key: (Path("old/best.json"), values)})

    with pytest.raises(ConfigError) as error:
        Agenda(layout, RunStore(tmp_path / "out"), given=given)

    assert str(error.value) == (
        f"old/best.json: {config.title}: beta must be at least 1, got 0.5; leave out --tuned to"
        " tune the model again, or leave out the model with --backbones, --methods or --only"
    )
