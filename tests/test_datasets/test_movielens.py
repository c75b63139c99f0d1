from __future__ import annotations

import pytest

from datasets.catalog import movielens
from datasets.spec import DomainPartition


def rows_of(folder):
    return movielens.read_raw(folder).frame.collect(engine="streaming").rows(named=True)


@pytest.mark.parametrize("release", ["ML-1M", "ML-100K"])
def test_ratings_from_four_are_liked(write_raw, release):
    rows = rows_of(write_raw("movielens", release=release))

    assert [row["liked"] for row in rows[:6]] == ["0", "0", "0", "1", "1", "0"]  # ratings 1 to 5, 1
    assert len(rows) == 60


def test_ml_1m_users_and_movies_are_joined(write_raw):
    rows = rows_of(write_raw("movielens"))

    user = {name: rows[1][name] for name in movielens.USER_COLUMNS}
    assert user == {"gender": "M", "age": "56", "occupation": "16", "zip_code": "70072"}
    assert rows[3]["zip_code"] == "02460"
    assert rows[0]["genres"] == "Action|Adventure|Sci-Fi"  # its title holds a colon
    assert [row["release_year"] for row in rows[:3]] == ["1977", "1992", "1993"]


def test_ml_100k_ages_and_genres_are_named_as_in_ml_1m(write_raw):
    rows = rows_of(write_raw("movielens", release="ML-100K"))

    ages = [row["age"] for row in rows[:6]]
    assert ages == ["18", "50", "1", "50", "56", "18"]  # of 24, 53, 7, 55, 73 and 18 years
    assert rows[0]["genres"] == "Action|Adventure|Sci-Fi"
    assert rows[1]["genres"] is None
    assert rows[1]["release_year"] is None
    assert rows[2]["genres"] == "Drama"


@pytest.mark.parametrize("years", [(17, "1"), (18, "18"), (34, "25"), (44, "35"), (45, "45")])
def test_bracket_of_an_age(write_raw, years):
    path = write_raw("movielens", release="ML-100K") / "u.user"
    path.write_text(path.read_text().replace("1|24|", f"1|{years[0]}|", 1))

    assert rows_of(path.parent)[0]["age"] == years[1]


@pytest.mark.parametrize(("column", "num_domains"), [("gender", 2), ("age", 5), ("occupation", 6)])
def test_partitions_of_the_users(write_raw, prepare_entry, column, num_domains):
    data = prepare_entry("movielens", write_raw("movielens"), partition=DomainPartition((column,)))

    assert len(data.domains()) == num_domains
    assert data.card["split_kind"] == "time"


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_empty_file_is_named(write_raw, prepare_entry, refused, text):
    folder = write_raw("movielens")
    (folder / "users.dat").write_text(text)

    assert "users.dat: the file is empty" in refused(prepare_entry, "movielens", folder)


def test_windows_line_ends_change_nothing(write_raw):
    folder = write_raw("movielens")
    plain = rows_of(folder)
    for name in movielens.ML_1M.files:
        path = folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))

    assert rows_of(folder) == plain
