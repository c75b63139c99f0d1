"""MovieLens: ratings of movies by users whose gender, age and occupation are known.

Two releases are read: ML-100K (`u.data`, `u.user`, `u.item`) and ML-1M (`ratings.dat`, `users.dat`,
`movies.dat`); the later ones say nothing of their users. The ages of ML-100K are put into the
brackets of ML-1M, each named by its first year. The year of release is cut from the title.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from datasets.provenance import Download, PublishedCounts, Source
from datasets.raw.releases import JoinedLog, Release, SideFile, find_release, join_sides
from datasets.raw.text import DecodedTable
from datasets.spec import DataError, DatasetSpec, DomainPartition, FeatureSpec, categorical

if TYPE_CHECKING:
    from pathlib import Path

    from datasets.raw.raw_log import RawLog

GROUPLENS = "https://files.grouplens.org/datasets/movielens"
AGE_BRACKETS = (1, 18, 25, 35, 45, 50, 56)  # first year of each, as ML-1M names them
GENRES_100K = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
LABELS = {"1": "0", "2": "0", "3": "0", "4": "1", "5": "1"}
RATING_COLUMNS = ("user_id", "movie_id", "rating", "timestamp")
USER_COLUMNS = ("gender", "age", "occupation", "zip_code")
MOVIE_COLUMNS = ("genres", "release_year")


@dataclass(frozen=True, slots=True)
class ReleaseFormat:
    """Separators and columns, in their order, of the files of a release."""

    rating_separator: str
    side_separator: str
    user_columns: tuple[str, ...]
    movie_columns: tuple[str, ...]


ML_1M = Release("ML-1M", ("ratings.dat",), ("users.dat", "movies.dat"))
ML_100K = Release("ML-100K", ("u.data",), ("u.user", "u.item"))
LAYOUTS = {
    "ML-1M": ReleaseFormat(
        "::",
        "::",
        ("user_id", "gender", "age", "occupation", "zip_code"),
        ("movie_id", "title", "genres"),
    ),
    "ML-100K": ReleaseFormat(
        "\t",
        "|",
        ("user_id", "age", "gender", "occupation", "zip_code"),
        ("movie_id", "title", "release_date", "video_release_date", "imdb_url", *GENRES_100K),
    ),
}
FOREIGN = {
    "ratings.csv": "of a later release of MovieLens, which says nothing of its users",
    "tags.dat": "of ML-10M, which says nothing of its users",
}

SPEC = DatasetSpec(
    name="movielens",
    label="liked",
    timestamp="timestamp",
    cluster="user_id",
    item="movie_id",
    prior=("user_id", "movie_id"),
    features=(
        # Most telling first: a small protocol keeps the domain columns and the first others.
        *categorical("gender age occupation user_id movie_id"),
        FeatureSpec(name="genres", kind="bag", separator="|", max_length=6),
        FeatureSpec(name="release_year"),
        FeatureSpec(name="zip_code"),
    ),
    partition=DomainPartition(("gender",)),
    # Chosen a priori: the only column of the partition, of two values with many thousands of rows
    # each.
    representative="gender",
    source=Source(
        description=(
            "MovieLens: ratings from 1 to 5 that users gave to movies. The label liked is a rating"
            " of 4 or 5: it says what was liked among the rated movies, and no impression without a"
            " rating is there."
        ),
        licence=(
            "GroupLens terms: research use with citation; no redistribution and no commercial use"
            " without permission"
        ),
        citation=(
            "Harper and Konstan: The MovieLens Datasets: History and Context. ACM Transactions on"
            " Interactive Intelligent Systems 5(4), article 19, 2015, doi:10.1145/2827872"
        ),
        homepage="https://grouplens.org/datasets/movielens/",
        downloads=(
            Download(
                name="ml-1m.zip",
                url=f"{GROUPLENS}/ml-1m.zip",
                digest="sha256:a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
                members=tuple(f"ml-1m/{name}" for name in ML_1M.files),
            ),
        ),
        instructions=(
            "ML-1M is fetched. ML-100K goes into a folder of its own, which --data-dir names:"
            " unpack u.data, u.user and u.item of\n"
            f"{GROUPLENS}/ml-100k.zip (4,924,029 bytes, md5 0e33842e24a9c977be4e0107933c0723)."
        ),
        published=(
            PublishedCounts(
                "ML-1M",
                "README of ML-1M; rated movies: TensorFlow Model Garden, official/recommendation",
                1_000_209,
                6_040,
                3_706,
            ),
            PublishedCounts("ML-100K", "README of ML-100K", 100_000, 943, 1_682),
        ),
    ),
    finer=(
        DomainPartition(("age",)),
        DomainPartition(("occupation",)),
        DomainPartition(("gender", "age", "occupation")),
    ),
)


def read_raw(root: Path) -> RawLog:
    """Read the ratings and join what is known of their users and movies.

    Raises:
        DataError: a file is missing or malformed, or the files are of different releases.
    """
    found = find_release(root, (ML_1M, ML_100K), FOREIGN)
    layout = LAYOUTS[found.release.name]
    ratings = DecodedTable.open(found.logs[0], layout.rating_separator, RATING_COLUMNS)
    users = DecodedTable.open(found.sides[0], layout.side_separator, layout.user_columns)
    movies = DecodedTable.open(found.sides[1], layout.side_separator, layout.movie_columns)
    sides = (
        SideFile(users, "user_id", _brackets(users).select("user_id", *USER_COLUMNS)),
        SideFile(movies, "movie_id", _described(movies).select("movie_id", *MOVIE_COLUMNS)),
    )
    other = pl.format("no rating from 1 to 5 but {}", pl.col("rating"))
    liked = pl.col("rating").replace_strict(LABELS, default=other).alias("liked")
    return JoinedLog(
        release=found.release.published,
        frame=join_sides(ratings.scan().with_columns(liked), sides),
        files=found.logs + found.sides,
        tables=(ratings,),
        joins=tuple((ratings, side) for side in sides),
    )


def _brackets(users: DecodedTable) -> pl.LazyFrame:
    """The users with the first year of their age bracket in place of their age."""
    frame = users.scan().collect()
    ages = frame["age"].cast(pl.Int64, strict=False)
    wrong = ages.is_null() | (ages < AGE_BRACKETS[0])
    if wrong.any():
        row = int(wrong.arg_max() or 0)
        raise DataError(
            f"{users.locate(row)}: age is {frame['age'][row]!r}; allowed are whole years from"
            f" {AGE_BRACKETS[0]}; fetch the file again"
        )
    place = np.searchsorted(AGE_BRACKETS, ages.to_numpy(), side="right") - 1
    brackets = pl.Series("age", np.asarray(AGE_BRACKETS)[place]).cast(pl.String)
    return frame.with_columns(brackets).lazy()


def _described(movies: DecodedTable) -> pl.LazyFrame:
    """The movies with the year of their title, and with the names of their genres."""
    frame = movies.scan()
    if "genres" not in movies.columns:
        names = [pl.when(pl.col(name) == "1").then(pl.lit(name)) for name in GENRES_100K]
        genres = pl.concat_str(names, separator="|", ignore_nulls=True)
        frame = frame.with_columns(genres=pl.when(genres != "").then(genres))
    return frame.with_columns(pl.col("title").str.extract(r"\((\d{4})\)\s*$").alias("release_year"))
