"""The prior columns of a cell: those that its log names, or the largest ones of it."""

from dataclasses import replace

import pytest

from benchmark.planning import cells
from benchmark.planning.cells import configure
from benchmark.planning.studies import Change
from benchmark.training.build import assemble, seen_schema
from datasets.catalog.custom import read_spec
from datasets.prepare import prepare
from datasets.spec import EncodedSchema, PrepareOptions
from models.registry import load_method

FIELDS = ("tab", "age", "user", "kind", "item", "page")
SCHEMA = EncodedSchema(
    fields=FIELDS,
    field_sizes=(99, 3, 50, 7, 40, 7),
    num_domain_fields=1,
    bags=("tags",),
    bag_sizes=(500,),
    bag_lengths=(3,),
    num_domains=99,
    num_tasks=99,
)


@pytest.fixture
def reading(monkeypatch):
    """Has every method read prior columns."""
    monkeypatch.setattr(
        cells, "load_method", lambda name: replace(load_method(name), reads_prior=True)
    )


@pytest.mark.parametrize(
    ("candidates", "prior"),
    [
        (FIELDS[1:], ("user", "kind", "item")),  # of two of one size the first
        (("page", "item"), ("item", "page")),
        ((), ()),
    ],
)
def test_usual_prior_columns_are_the_largest_fields(candidates, prior):
    assert SCHEMA.usual_prior(candidates) == prior


@pytest.fixture
def make_log(tiny_log, tmp_path):
    """A function that prepares the small log with one more feature, and changes of the spec."""
    path = tmp_path / "tiny.csv"
    head, *rows = path.read_text().splitlines()
    wider = [f"{head},page", *(f"{row},{number % 9}" for number, row in enumerate(rows))]
    path.write_text("\n".join(wider))

    def make(changes="", **options):
        text = tiny_log.read_text() + '[[features]]\nname = "page"\n'
        (tmp_path / "wide.toml").write_text(changes + text)
        entry = read_spec(tmp_path / "wide.toml")
        return prepare(entry, None, tmp_path / "cache", PrepareOptions(**options))

    return make


@pytest.mark.usefixtures("reading")
def test_prior_columns_of_a_cell_are_named_or_the_largest(make_log, select):
    def prior_of(log, backbone="dnn", method="apg", ids="own"):
        return configure(select(), "tiny", log, backbone, Change(method=method, ids=ids)).prior

    named = 'prior = ["page"]\n'
    assert prior_of(make_log()) == ("item", "page")
    assert prior_of(make_log(named)) == ("page",)
    assert prior_of(make_log(named, max_fields=2)) == ("item",)  # what is named is left out
    assert prior_of(make_log(named), ids="blind") == ("page",)
    assert prior_of(make_log(named), ids="placebo") == ("page",)
    assert prior_of(make_log(named), "boosted_trees", "reference") == ()


def test_prior_columns_are_those_of_methods_that_read_them(make_log, select):
    config = configure(select(), "tiny", make_log(), "dnn", Change(method="apg"))

    assert config.prior == ()
    assert "prior" not in config.identity()


@pytest.mark.usefixtures("reading")
def test_model_of_a_cell_knows_where_its_prior_columns_are(make_log, select):
    log = make_log()
    change = Change(method="apg", ids="placebo")
    config = configure(select(), "tiny", log, "dnn", change)

    shape = assemble(config, seen_schema(config, log.schema)).method.shape

    assert [log.schema.fields[number] for number in shape.prior] == ["item", "page"]
