"""Random descriptions of a log: each is read, or refused in one line."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasets.catalog import custom
from datasets.prepare import prepare
from datasets.spec import DataError, PrepareOptions

LINES = "".join(
    f"{row},{row % 2},{'ab'[row % 3 > 0]},{row % 4};{row % 3},{row / 8}\n" for row in range(48)
)
columns = st.sampled_from(["site", "item", "price", "click", "time"])
words = st.lists(st.sampled_from([*"abé価_ $^*.,;|\"'#[\t\n\0"]), max_size=4).map("".join)
texts = columns | words | st.sampled_from(["/tmp", "1.0", "%Y"])
some = st.lists(texts, min_size=1, max_size=3)
anything = st.recursive(
    texts | st.integers(-3, 300) | st.booleans() | st.floats(),
    lambda part: st.lists(part, max_size=3),
    max_leaves=4,
)
sizes = st.integers(-1, 60)
features = st.fixed_dictionaries(
    {"name": columns},
    optional={
        "kind": st.sampled_from(["bag", "numeric", "categorical", "text"]),
        "separator": st.sampled_from([";", ".", ", "]) | texts,
        "decimal": st.sampled_from([".", ",", ";"]),
        "missing": some,
        "min_count": sizes,
        "num_buckets": sizes,
        "max_length": st.integers(-1, 12),
    },
)
plausible = {
    "files": st.sampled_from(["*.csv", "log.*", "**", "../*", "[a", "a/**b"]) | some,
    "label": columns,
    "positive": st.lists(st.integers(-1, 2) | words, max_size=2),
    "positive_from": st.integers(-1, 2) | st.floats(),
    "timestamp": columns,
    "timestamp_format": st.sampled_from(["%Y-%m-%d", "%d.%m.%Y %H", "%", "%s", "%Q"]) | words,
    "cluster": columns,
    "partition": some,
    "representative": columns,
    "features": st.lists(columns | features, max_size=3).map(lambda own: ["site", *own]),
    "separator": st.sampled_from([";", "\t", " ", "||", "é"]),
    "columns": st.just(["time", "click", "site", "item", "price"]) | some,
    "missing": some,
}
change = st.sampled_from(sorted(plausible)).flatmap(
    lambda key: st.tuples(st.just(key), plausible[key])
) | st.tuples(st.sampled_from([*custom.TYPES, "other"]), anything | st.none())


def rows_or_refusal(path):
    """The number of prepared rows and nothing, or none and why not."""
    try:
        data = prepare(custom.read_spec(path), None, path.parent / "cache", PrepareOptions())
    except DataError as error:
        return 0, str(error)
    return len(data.rows()), ""


@pytest.mark.slow
@settings(
    max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(changes=st.lists(change, min_size=1, max_size=3).map(dict))
def test_random_description_is_read_or_refused_in_one_line(tmp_path, write_toml, changes):
    (tmp_path / "log.csv").write_text("time,click,site,item,price\n" + LINES)

    rows, refusal = rows_or_refusal(write_toml(**changes))

    assert (rows > 0) == (not refusal)
    assert "\n" not in refusal
