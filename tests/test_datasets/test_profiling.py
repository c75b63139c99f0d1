"""The parts of a description by hand-worked numbers and independent oracles."""

from __future__ import annotations

import json
import re

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from datasets.describe import main
from datasets.encoding.hindsight import follows_click, hindsight, hindsight_lines, words_of
from datasets.profiling.columns import MIN_CLASS_ROWS, examine, held_out_auc, judge
from datasets.profiling.names import is_token, is_user
from datasets.profiling.partitions import candidate_partitions, choose_partition, skew_of
from datasets.profiling.profile import LogProfile, Volume
from datasets.profiling.timeformats import recognise


def profile_of(name, values):
    column = pl.Series(name, values, dtype=pl.String)
    volume = Volume(column.null_count(), column.drop_nulls().n_unique())
    return LogProfile(
        num_rows=len(column),
        rows=column.to_frame(),
        volumes={name: volume},
        duplicate_share=0.0,
    )


def column_of(name, values):
    profile = profile_of(name, values)
    label = np.arange(len(values)) % 2
    return judge(profile, name, profile.rows, label, list_separator=None, time=None)


def test_skew_by_hand():
    skew = skew_of(np.array([50, 20, 15, 10, 5, 0]), np.array([5, 0, 15, 2, 5, 0]))

    assert (skew.num_domains, skew.head, skew.tail) == (5, 1, 2)
    assert (skew.without_click, skew.all_clicked, skew.one_class) == (1, 2, 3)


def test_skew_of_equal_domains():
    skew = skew_of(np.full(10, 7), np.full(10, 3))

    assert (skew.head, skew.tail) == (2, 2)


def partitions_of(rows, label):
    profile = LogProfile(
        num_rows=len(rows),
        rows=rows,
        volumes={name: Volume(0, rows[name].n_unique()) for name in rows.columns},
        duplicate_share=0.0,
    )
    columns = [
        judge(profile, name, rows, label, list_separator=None, time=None) for name in rows.columns
    ]
    return candidate_partitions(rows, label, columns)


def test_rates_that_differ_by_chance_are_not_clear():
    rng = np.random.default_rng(11)
    label = (rng.random(3_000) < 0.1).astype(np.int64)
    columns = {f"x{place}": rng.integers(0, 5 * place, 3_000) for place in range(1, 41)}
    columns["told"] = np.where(label == 1, rng.integers(0, 3, 3_000), rng.integers(0, 4, 3_000))
    rows = pl.DataFrame(columns).cast(pl.String)

    clear = {part.columns[0]: part.is_clear for part in partitions_of(rows, label)}

    assert clear["told"]
    assert sum(clear.values()) - clear["told"] <= 2  # of seven that are listed


def test_joint_domains_of_one_class_are_not_proposed():
    places = pl.Series("site", np.arange(400) % 20).cast(pl.String)
    rows = pl.DataFrame({"site": places, "scene": places.reverse(), "page": places})
    label = (np.arange(400) % 3 == 0).astype(np.int64)

    crossed = choose_partition(partitions_of(rows.select("site", "scene"), label))
    equal = choose_partition(partitions_of(rows.select("site", "page"), label))

    assert (crossed.columns, equal.columns) == (("site",), ("site",))


def test_users_and_small_groups_of_one_class_come_last():
    rng = np.random.default_rng(12)
    user = np.arange(3_000) % 600
    label = (rng.random(3_000) < np.array([0.02, 0.4])[user % 2]).astype(np.int64)
    rows = pl.DataFrame(
        {"user_id": user, "request": np.arange(3_000) // 5, "kind": rng.integers(0, 9, 3_000)}
    ).cast(pl.String)

    found = partitions_of(rows, label)

    assert found[0].columns == ("kind",)


def test_held_out_auc_equals_scikit_learn():
    rng = np.random.default_rng(3)
    tokens = rng.integers(0, 12, 2_000)
    label = (rng.random(2_000) < tokens / 15).astype(np.int64)
    fit = pl.DataFrame({"token": tokens[::2], "label": label[::2]})
    mean = fit["label"].mean()
    rates = {
        token: (part["label"].sum() + 10 * mean) / (len(part) + 10)
        for (token,), part in fit.group_by("token")
    }
    score = [rates[token] for token in tokens[1::2]]

    auc = held_out_auc(tokens, label)

    assert auc == pytest.approx(roc_auc_score(label[1::2], score))


def test_held_out_auc_of_too_few_clicks_is_undefined():
    label = np.zeros(1_000, dtype=np.int64)
    label[1 : 2 * MIN_CLASS_ROWS - 1 : 2] = 1  # one too few among the odd rows

    assert np.isnan(held_out_auc(np.arange(1_000) % 3, label))


def test_id_that_fits_its_own_rows_alone_is_no_leak():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 4_000)

    found = examine(pl.Series("item", [f"i{row}" for row in range(4_000)]), label, is_numeric=False)

    assert found.leak == ""
    assert found.auc == pytest.approx(0.5, abs=0.05)


def test_quantity_that_knows_the_label_is_a_leak():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 4_000)
    seconds = np.where(label == 1, rng.random(4_000) * 50 + 10, rng.random(4_000) * 10)

    found = examine(pl.Series("x", seconds.astype(str)), label, is_numeric=True)

    assert "AUC 1.000" in found.leak


@pytest.mark.parametrize(
    ("where_one", "where_zero", "is_leak"), [(0.10, 0.0, True), (0.10, 0.04, False)]
)
def test_values_of_one_class_only_are_a_leak(where_one, where_zero, is_leak):
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 10_000)
    filled = rng.random(10_000) < np.where(label == 1, where_one, where_zero)
    column = pl.Series("x", ["page" if one else None for one in filled])

    leak = examine(column, label, is_numeric=False).leak

    assert bool(leak) == is_leak
    assert not is_leak or leak.startswith("missing in 100.00% of the rows with label 0")


def test_spread_of_domains_that_differ_by_chance_alone_is_small():
    rng = np.random.default_rng(4)
    place = rng.integers(0, 200, 20_000)
    same = (rng.random(20_000) < 0.3).astype(np.int64)
    other = (rng.random(20_000) < np.where(place < 100, 0.2, 0.4)).astype(np.int64)
    column = column_of("place", place.astype(str).tolist())
    rows = pl.DataFrame({"place": place.astype(str)})

    by_chance = candidate_partitions(rows, same, [column])[0].spread
    planted = candidate_partitions(rows, other, [column])[0].spread

    assert by_chance < 0.02
    assert planted == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("price", [f"{row / 7:.3f}" for row in range(200)], "numeric"),
        ("item_count", [str(row) for row in range(200)] * 3, "numeric"),
        ("price_level", [str(row) for row in range(200)] * 3, "categorical"),
        ("hash", [str(row * 10**15 + 1) for row in range(200)] * 3, "categorical"),
        ("flag", ["0.0", "1.0"] * 300, "categorical"),
        ("range", ["(0,10]", "(10,50]", "(50,90]", "[90,99)", "0", "99+", "x"] * 90, "categorical"),
        ("tags", [";".join(f"t{row % n}" for n in (2, 3, 5)) for row in range(300)], "bag"),
    ],
)
def test_kind_of_a_column(name, values, kind):
    assert column_of(name, values).kind == kind


def test_further_time_is_left_out():
    values = [f"2020-01-01 10:{row % 60:02}:00" for row in range(300)]
    profile = profile_of("when", values)
    label = np.arange(300) % 2

    column = judge(
        profile,
        "when",
        profile.rows,
        label,
        list_separator=None,
        time=recognise(profile.rows["when"]),
    )

    assert column.kind == "categorical"
    assert column.left_out == "a time (ISO-8601); times of test do not occur in train"


def test_texts_for_missing_numbers_are_found():
    column = column_of("price", [f"{row / 7:.3f}" for row in range(90)] + ["NA", "\\N"] * 5)

    assert column.missing_texts == ("NA", "\\N")
    assert column.missing_share == pytest.approx(0.1)
    assert column.guess == "'NA' and '\\\\N' stand among numbers"


def test_dates_with_separators_are_no_bags():
    births = pl.date_range(pl.date(1980, 1, 1), pl.date(1990, 1, 1), eager=True)

    assert column_of("born", births.dt.strftime("%b %d, %Y").to_list()).kind == "categorical"


def test_minus_one_among_quantities_is_remarked():
    column = column_of("price", [f"{row / 7:.3f}" for row in range(90)] + ["-1"] * 5)

    assert column.lone_negative


@pytest.mark.parametrize("num_users", [49, 50])
def test_clusters_are_proposed_of_many_users(capsys, tmp_path, num_users):
    rows = (f"{row % 3},u{row % num_users},{row % 7 % 2}\n" for row in range(600))
    (tmp_path / "log.csv").write_text("site,userId,click\n" + "".join(rows))

    main([str(tmp_path / "log.csv")])

    line = f'cluster = "userId"  # guess: {num_users} users\n'
    assert (line in capsys.readouterr().out) == (num_users == 50)


def test_names():
    assert words_of("userGender_id2") == ["user", "gender", "id", "2"]
    assert [is_token(name) for name in ("price_level", "user_num", "x")] == [True, False, None]
    assert all(map(is_user, ("user", "userId", "uid", "member_id")))
    assert not any(map(is_user, ("id", "user_gender", "user_num", "item_id")))
    leaks = ("is_like", "playTime", "watch_time_ms", "noclk", "buys", "long_view")
    assert all(map(follows_click, leaks))
    assert not any(map(follows_click, ("price", "likelihood", "duration_ms", "display")))


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("dwell_time stayTime watch_time_ms call_duration session_length timeSpent", "only after"),
        ("is_trade conversion purchase buy nonclk long_view is_follow", "only after"),
        ("duration DURATION rating stars", "only if it is that of the item|those of the item"),
        ("click_rate_30d ctr_7d view_count ExitRates num_clicks", "a statistic"),
    ],
)
def test_names_that_tell_of_hindsight_ask_for_a_check(names, words):
    assert all(re.search(words, hindsight(name)) for name in names.split())


def test_names_of_what_is_known_before_ask_for_none():
    names = "duration_ms video_duration follow_user_num_range item_collected_level share_price"
    names += (
        " order_id avg_rating display likelihood playlist timezone genres age price c7 previous"
    )

    assert [name for name in names.split() if hindsight(name)] == []
    assert hindsight_lines(["価格", "price"]) == []


def test_check_says_what_to_do():
    (line,) = hindsight_lines(["age", "dwell_time"])

    assert line.startswith("check dwell_time: its name says")
    assert line.endswith("leave it out of the features")


PLACES = [
    f"{side} {kind}" for side in ("North", "South", "East") for kind in ("Bay", "Hill", "Inn")
]
GENRES = ("Action", "Drama", "War", "Sci-Fi", "Film Noir")
SOME = [[genre for place, genre in enumerate(GENRES) if row >> place & 1] for row in range(1, 32)]


@pytest.mark.parametrize(
    ("values", "separator"),
    [
        ([", ".join(genres) for genres in SOME], ", "),
        ([",".join(genres) for genres in SOME], ","),
        ([",".join(genres).replace(",", ", ", 1) for genres in SOME], ","),
        (["|".join(genres) for genres in SOME], "|"),
        ([str(genres) for genres in SOME], ", "),
        ([json.dumps(genres, separators=(",", ":")) for genres in SOME], ","),
        ([f"[{row % 9 + 1}, {row % 7 + 10}]" for row in range(60)], ", "),
        ([f"[{row % 9 + 1} {row % 7 + 10}]" for row in range(60)], " "),
        ([" ".join(f"t{row % n}" for n in (2, 3, 5, 7)) for row in range(300)], " "),
    ],
)
def test_bag_in_text_is_a_guess(values, separator):
    column = column_of("x", values * 3)

    assert (column.kind, column.separator) == ("bag", separator)
    assert column.guess == f"a bag, as parts between {separator!r} recur"


@pytest.mark.parametrize(
    "values",
    [
        PLACES,
        [f"{town}, {land}" for town in ["Paris", "Lyon", "Nice", "Brest"] for land in ("FR", "US")],
        [f"New Port {row} Hill{row % 40}" for row in range(90)],
        ["fr", "de"] * 9,
        [*[f"thing {row}" for row in range(13)], "Alias, the first season"],
    ],
)
def test_names_of_several_words_are_no_bag(values):
    column = column_of("x", values * 3)

    assert (column.kind, column.guess) == ("categorical", "")


PRICES = [row / 7 for row in range(90)]


@pytest.mark.parametrize(
    "text", ["\u2014", "-", "n/a", "unknown", "Keine Angabe", "#VALUE!", "inf"]
)
def test_one_text_among_numbers_is_proposed_as_missing(text):
    column = column_of("price", [f"{price:.3f}" for price in PRICES] + [text] * 10)

    assert (column.kind, column.missing_texts) == ("numeric", (text,))
    assert column.missing_share == pytest.approx(0.1)
    assert column.guess == f"{text!r} stands among numbers"


def test_text_with_digits_among_numbers_is_a_value():
    column = column_of("size", [str(row % 10) for row in range(90)] + ["10+"] * 10)

    assert (column.kind, column.missing_texts) == ("categorical", ())
    assert column.guess == "'10+' stands among numbers"


def test_several_texts_among_numbers_are_values():
    column = column_of("size", [str(row) for row in range(30)] + ["S", "M", "L"] * 10)

    assert (column.kind, column.missing_texts, column.guess) == ("categorical", (), "")


@pytest.mark.parametrize(
    ("name", "values", "decimal"),
    [
        ("x", [f"{price:.2f}".replace(".", ",") for price in PRICES], ","),
        ("price", [f"{row / 8:g}".replace(".", ",") for row in range(90)], ","),
        ("x", [f"{97 * price:,.2f}".translate(str.maketrans(".,", ",.")) for price in PRICES], ","),
        ("x", [f"{97 * price:,.2f}" for price in PRICES], "."),
        ("x", [f"{9999 * price:,.0f}" for price in PRICES], "."),
        ("x", [f"{9999 * price:,.1f}".replace(",", "'") for price in PRICES], "."),
    ],
)
def test_numbers_with_other_marks_are_a_guess(name, values, decimal):
    column = column_of(name, values + ["n/a"] * 9)

    assert (column.kind, column.decimal) == ("numeric", decimal)
    assert column.missing_texts == ("n/a",)
    assert column.guess.startswith("numbers with ")


@pytest.mark.parametrize(
    ("name", "sizes"), [("tag", (5, 7)), ("x", (5, 30)), ("category_ids", (5, 7, 3))]
)
def test_ids_with_a_comma_between_them_are_no_numbers(name, sizes):
    values = [",".join(str(row % size) for size in sizes) for row in range(300)]

    assert column_of(name, [*values, "3", "4"]).kind == "bag"
