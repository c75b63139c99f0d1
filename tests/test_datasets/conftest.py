"""Small logs, written as files and prepared through the same door as a user's own log."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from datasets import catalog
from datasets.catalog import custom
from datasets.catalog import kuairand as kuairand_log
from datasets.prepare import prepare
from datasets.raw import packed
from datasets.spec import DataError, PrepareOptions

KEYS = {
    "name": "tiny",
    "files": "log.csv",
    "label": "click",
    "timestamp": "time",
    "partition": ["site"],
    "features": ["site", "item"],
}


def to_toml(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {to_toml(part)}" for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    return json.dumps(value)


@pytest.fixture
def write_toml(tmp_path):
    """Write a TOML file of the usual keys; a key given as None is left out."""

    def write(**changes):
        keys = {key: value for key, value in (KEYS | changes).items() if value is not None}
        path = tmp_path / "log.toml"
        path.write_text("\n".join(f"{key} = {to_toml(value)}" for key, value in keys.items()))
        return path

    return write


@pytest.fixture(autouse=True)
def copies(monkeypatch, tmp_path_factory):
    """The folder of copies of archives, of one test alone."""
    folder = tmp_path_factory.mktemp("unpacked")
    monkeypatch.setattr(packed, "COPIES", folder)
    return folder


@pytest.fixture
def tiny():
    """A log of 60 rows in time order: two sites, five items, every third row clicked."""
    index = np.arange(60)
    return pl.DataFrame(
        {
            "time": index,
            "site": np.where(index % 2 == 0, "a", "b"),
            "item": [f"i{value}" for value in index % 5],
            "click": (index % 3 == 0).astype(int),
        }
    )


@pytest.fixture
def prepare_log(tmp_path, write_toml):
    """Prepare a frame, or a text written as it is, with changed keys and options."""

    def run(log, *, options=None, file="log.csv", **changes):
        if isinstance(log, pl.DataFrame):
            log.write_csv(tmp_path / file, quote_style="never")
        else:
            (tmp_path / file).write_bytes(log if isinstance(log, bytes) else log.encode())
        entry = custom.read_spec(write_toml(**changes))
        return prepare(entry, tmp_path, tmp_path / "cache", options or PrepareOptions())

    return run


@pytest.fixture
def prepare_entry(tmp_path):
    """Prepare a log of the catalog, a generated one in a small size."""

    def run(name, folder=tmp_path, world_rows=4_096, **options):
        entry = catalog.load(name, world_rows=world_rows)
        return prepare(entry, folder, tmp_path / "cache", PrepareOptions(**options))

    return run


@pytest.fixture
def refused():
    """Do what is refused, and return the one line that says why."""

    def message_of(action, *arguments, **keys):
        with pytest.raises(DataError) as caught:
            action(*arguments, **keys)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return message_of


IAAC_HEADER = (
    "instance_id item_id item_category_list item_property_list item_brand_id item_city_id"
    " item_price_level item_sales_level item_collected_level item_pv_level user_id user_gender_id"
    " user_age_level user_occupation_id user_star_level context_id context_timestamp"
    " context_page_id predict_category_property shop_id shop_review_num_level"
    " shop_review_positive_rate shop_star_level shop_score_service shop_score_delivery"
    " shop_score_description is_trade"
)


def write_iaac(folder: Path, file: str = "round1_ijcai_18_train_20180301.txt", drop=()):
    """Sixty rows of the official columns; `-1` is missing."""
    rng = np.random.default_rng(1)
    columns = {name: rng.integers(0, 4, 60).astype(str) for name in IAAC_HEADER.split()}
    shares = (
        "shop_review_positive_rate",
        *(name for name in IAAC_HEADER.split() if "score" in name),
    )
    columns |= {name: rng.random(60).astype(str) for name in shares}
    columns["shop_score_service"][5] = "-1"
    columns["predict_category_property"] = np.array(["7:1,2;8:-1"] * 60)
    columns |= {"instance_id": np.arange(60), "context_id": np.arange(60)}
    columns |= {"context_timestamp": 1_537_236_544 + np.arange(60)}
    columns |= {"is_trade": (np.arange(60) % 4 == 0).astype(int)}
    pl.DataFrame(columns).drop(drop).write_csv(folder / file, separator=" ", quote_style="never")


KUAIRAND_LOG = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,"
    "long_view,play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,"
    "is_rand,tab"
)
KUAIRAND_USERS = (
    "user_id,user_active_degree,is_lowactive_period,is_live_streamer,is_video_author,"
    "follow_user_num,follow_user_num_range,fans_user_num,fans_user_num_range,friend_user_num,"
    "friend_user_num_range,register_days,register_days_range,"
) + ",".join(f"onehot_feat{index}" for index in range(18))
KUAIRAND_VIDEOS = (
    "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,"
    "server_width,server_height,music_id,music_type,tag"
)


def write_kuairand(folder: Path, release: int = -1):
    """Sixty impressions of twelve users and ten videos, in the parts of a release."""
    index = np.arange(60)
    log = {name: index % 7 for name in KUAIRAND_LOG.split(",")}
    log |= {"user_id": index % 12, "video_id": index % 10, "hourmin": index % 24 * 100}
    log |= {"time_ms": 1_650_812_741_436 + index, "is_click": (index % 3 == 0).astype(int)}
    users = {name: np.arange(12) % 3 for name in KUAIRAND_USERS.split(",")} | {
        "user_id": np.arange(12)
    }
    videos = {name: np.arange(10) % 4 for name in KUAIRAND_VIDEOS.split(",")} | {
        "video_id": np.arange(10)
    }
    videos |= {"tag": np.array([f"{value},99" for value in np.arange(10) % 4])}
    names = kuairand_log.RELEASES[release]
    rows = pl.DataFrame(log)
    for part, name in enumerate(names.logs):
        size = 60 // len(names.logs)
        rows[part * size : (part + 1) * size].write_csv(folder / name)
    pl.DataFrame(users).write_csv(folder / names.sides[0])
    pl.DataFrame(videos).write_csv(folder / names.sides[1])


def aliccp_entries(entries):
    """A list of features as the official files write it: (field, id, value) triples."""
    return "\x01".join(f"{field}\x02{value}\x03{weight}" for field, value, weight in entries)


def write_aliccp(folder: Path):
    """Forty impressions of train and twenty of test; four and three lines of common features."""
    for split, rows, users in (("train", 40, 4), ("test", 20, 3)):
        skeleton, common = [], []
        for row in range(rows):
            entries = [("205", 1000 + row % 5, "1.0"), ("206", 50 + row % 2, "1.0")]
            entries += [
                ("210", 70, "1.0"),
                ("210", 71 + row % 2, "1.0"),
                ("301", row % 3 + 1, "1.0"),
            ]
            entries += [("508", 60, "0.69315")] if row % 4 == 0 else []
            values = (row, int(row % 3 == 0), 0, f"{row % users:032x}", len(entries))
            skeleton.append(f"{','.join(map(str, values))},{aliccp_entries(entries)}")
        for user in range(users):
            entries = [("101", f"{split}{user}", "1.0"), ("124", user % 2, "1.0")]
            entries += [("109_14", 500 + item, "2.30259") for item in range(user * 4)]
            entries += [("127_14", 800, "0.69315"), ("127", 3, "1.0"), ("125", user, "1.0")]
            common.append(f"{user:032x},{len(entries)},{aliccp_entries(entries)}")
        (folder / f"sample_skeleton_{split}.csv").write_text("\n".join(skeleton) + "\n")
        (folder / f"common_features_{split}.csv").write_text("\n".join(common) + "\n")


def write_movielens(folder: Path, release: str = "ML-1M"):
    """Sixty ratings by six users of five movies, one of them with an accent in its title."""
    ratings = [(row % 6 + 1, row % 5 + 1, row % 5 + 1, 978_300_000 + row) for row in range(60)]
    if release == "ML-1M":
        users = ["1::F::1::10::48067", "2::M::56::16::70072", "3::M::25::15::55117"]
        users += ["4::M::45::7::02460", "5::M::25::20::55455", "6::F::50::9::55117"]
        movies = ["1::Star Wars: Episode IV (1977)::Action|Adventure|Sci-Fi"]
        movies += [f"{movie}::Café {movie} (199{movie})::Drama" for movie in (2, 3, 4, 5)]
        files = {"ratings.dat": ["::".join(map(str, row)) for row in ratings]}
        files |= {"users.dat": users, "movies.dat": movies}
    else:
        users = ["1|24|M|technician|85711", "2|53|F|other|94043", "3|7|M|student|32067"]
        users += ["4|55|M|doctor|43537", "5|73|F|retired|15213", "6|18|M|student|98101"]
        genres = "|".join("1" if genre in (1, 2, 15) else "0" for genre in range(19))
        movies = [f"1|Star Wars (1977)|01-Jan-1977||http://us.imdb.com/M/a?b|{genres}"]
        none, drama = (
            "|".join("0" * 19),
            "|".join("1" if genre == 8 else "0" for genre in range(19)),
        )
        movies += [f"2|unknown||||{none}"]
        movies += [f"{movie}|Café {movie} (199{movie})|||x|{drama}" for movie in (3, 4, 5)]
        files = {"u.data": ["\t".join(map(str, row)) for row in ratings]}
        files |= {"u.user": users, "u.item": movies}
    for name, lines in files.items():
        (folder / name).write_bytes(("\n".join(lines) + "\n").encode("latin-1"))


def write_taobao_ads(folder: Path):
    """Sixty impressions of six ads by ten users, of whom user 9 has no profile."""
    rows = [
        f"{row % 10},{1_494_000_000 + 1800 * row},{row % 6},4305{(48, 39)[row % 2]}_1007,"
        f"{int(row % 3 != 0)},{int(row % 3 == 0)}"
        for row in range(60)
    ]
    ads = [
        f"{ad},{600 + ad},{ad},{ad},{'NULL' if ad == 2 else 90 + ad},{10.5 * ad}" for ad in range(6)
    ]
    users = [f"{user},0,{user},{user % 2 + 1},{user % 4},,3,0,{user % 3}" for user in range(9)]
    texts = {
        "raw_sample.csv": ["user,time_stamp,adgroup_id,pid,nonclk,clk", *rows],
        "ad_feature.csv": ["adgroup_id,cate_id,campaign_id,customer,brand,price", *ads],
        "user_profile.csv": [
            "userid,cms_segid,cms_group_id,final_gender_code,age_level,pvalue_level,"
            "shopping_level,occupation,new_user_class_level ",
            *users,
        ],
    }
    for name, lines in texts.items():
        (folder / name).write_text("\n".join(lines) + "\n")


@pytest.fixture
def write_raw(tmp_path):
    """Write small raw files of a catalog log; generated logs need none.

    A new log needs a function here that writes a few dozen rows in the format of its real files.
    """
    writers = {
        "aliccp": write_aliccp,
        "iaac": write_iaac,
        "kuairand": write_kuairand,
        "movielens": write_movielens,
        "taobao_ads": write_taobao_ads,
    }

    def write(name, **changes):
        if name.startswith("synthetic_"):
            return tmp_path
        if name not in writers:
            pytest.skip(
                f"no raw sample of {name!r}: add a function that writes one, and its entry in"
                " `writers`, to tests/test_datasets/conftest.py"
            )
        writers[name](tmp_path, **changes)
        return tmp_path

    return write
