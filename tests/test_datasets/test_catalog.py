from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from datasets import catalog
from datasets.catalog import aliccp
from datasets.encoding.hindsight import hindsight_lines
from datasets.profiling.names import is_user
from datasets.spec import DataError

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_TIME = ("aliccp",)


@pytest.mark.parametrize("name", catalog.available())
def test_entry_is_named_after_its_file(name):
    entry = catalog.load(name)

    assert entry.spec.name == name
    assert entry.default_dir == ROOT / "datasets" / "data" / "raw" / name
    assert entry.spec.source.description


@pytest.mark.parametrize("name", catalog.available())
def test_entry_is_prepared(name, write_raw, prepare_entry):
    data = prepare_entry(name, write_raw(name))

    assert sum(data.card["rows"].values()) == data.candidates.start == data.card["rows_in_log"]
    assert sorted(data.row_ids().tolist()) == list(range(data.candidates.start))
    assert data.card["split_kind"] == ("shuffle" if name in WITHOUT_TIME else "time")
    assert data.domains()["train_impressions"].sum() == data.card["rows"]["train"]
    users = [field for field in data.schema.fields if is_user(field)]
    assert [data.spec.cluster] == users  # of a log with users, their ids
    assert data.spec.item in data.schema.fields
    assert {*data.card["entities"]} == {"users", "items"}
    assert {*data.spec.entities.values()} <= {*data.spec.prior} <= {*data.schema.fields}
    assert len(data.clusters()) == len(data.blocks()) == data.candidates.start
    for partition in data.spec.finer:
        finer = prepare_entry(name, partition=partition)
        assert len(finer.domains()) >= len(data.domains())


@pytest.mark.parametrize("name", catalog.available())
def test_names_of_features_ask_for_no_check_and_those_of_leaks_do(name):
    module = import_module(f"datasets.catalog.{name}")

    assert hindsight_lines(feature.name for feature in module.SPEC.features) == []
    leaks = getattr(module, "LEAKS", ())
    assert len(hindsight_lines(leaks)) == len(leaks)


@pytest.mark.parametrize(
    ("name", "release", "counts"),
    [
        ("aliccp", "Ali-CCP", [85_316_975, None, None]),
        ("iaac", "IAAC round 1", [478_138, 197_694, 10_075]),
        ("kuairand", "KuaiRand-Pure", [1_436_609, 27_285, 7_551]),
        ("movielens", "ML-1M", [1_000_209, 6_040, 3_706]),
        ("taobao_ads", "the Taobao display ads", [26_557_961, 1_141_729, 846_811]),
    ],
)
def test_counts_of_a_copy_stand_beside_the_published_ones(
    name, release, counts, write_raw, prepare_entry
):
    card = prepare_entry(name, write_raw(name)).card

    assert card["published"]["release"] == release
    assert [part["published"] for part in card["counts"]] == counts
    assert [part["what"] for part in card["counts"]] == ["rows", "users", "items"]
    assert card["published"]["remark"].startswith("this copy has 60 rows")
    assert card["published"]["citation"]


def test_unknown_name_lists_what_exists():
    message = r"'iacc' \(no such file\); available: aliccp, .*iaac, kuairand, .*, or the \.toml"
    with pytest.raises(DataError, match=message):
        catalog.load("iacc")


def test_listing_imports_no_heavy_package():
    code = (
        "import sys; from datasets import catalog; catalog.available();"
        " print({'polars', 'numpy', 'torch'} & set(sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.stdout.strip() == "set()", done.stderr


@pytest.mark.parametrize("name", catalog.available())
def test_real_log_says_where_it_comes_from(name):
    source = catalog.load(name).spec.source
    if name.startswith("synthetic_"):
        pytest.skip("nobody else's terms apply to a generated log")

    assert "label" in source.description
    assert source.licence
    assert source.citation
    assert source.homepage.startswith("https://")
    assert source.downloads or (source.files and source.instructions)
    for download in source.downloads:
        assert download.digest.startswith(("md5:", "sha256:"))
        assert download.url.startswith("https://")
        assert not download.members or download.name.endswith((".zip", ".tar.gz"))


ALTERNATIVES = {"iaac": {"round1_ijcai_18_train_20180301.txt"}}  # one of its two files is read


IDLE = {"aliccp": {"sample_id", aliccp.KEY}, "kuairand": {"date", "is_rand"}}  # of rows or days


@pytest.mark.parametrize("name", catalog.available())
def test_what_leaks_or_tells_nothing_is_no_feature(name):
    module = import_module(f"datasets.catalog.{name}")

    features = {feature.name for feature in module.SPEC.features}
    assert features.isdisjoint({*getattr(module, "LEAKS", ()), *IDLE.get(name, ())})
    assert not any(feature.endswith("_cnt") for feature in features)  # totals of the whole period


@pytest.mark.parametrize("name", catalog.available())
def test_files_of_the_source_are_those_that_are_read(name, write_raw):
    source = catalog.load(name).spec.source
    official = {"iaac": {"file": "round2_train.txt"}, "kuairand": {"release": 0}}
    raw = catalog.load(name, world_rows=4_096).read_raw(write_raw(name, **official.get(name, {})))

    named = set(source.files)
    named |= {member.split("/")[-1] for download in source.downloads for member in download.members}
    if named:
        assert {path.name for path in raw.files} <= named
        assert named <= {path.name for path in raw.files} | ALTERNATIVES.get(name, set())


def test_logs_are_listed_with_the_place_of_their_files(front_door, monkeypatch, write_raw):
    folder = write_raw("movielens")
    monkeypatch.setattr(catalog, "RAW_DIR", folder / "raw")
    (folder / "raw").mkdir()
    (folder / "raw" / "movielens").symlink_to(folder)

    lines = front_door("--list", "datasets").stdout.splitlines()

    names = [line.partition(":")[0] for line in lines if not line.startswith("  ")]
    files = dict(zip(names, [line for line in lines if "files: " in line], strict=True))
    assert files["movielens"] == f"  files: in {folder}/raw/movielens"
    assert files["synthetic_none"] == "  files: none, it is generated"
    assert files["kuairand"] == "  files: not there; --download fetches them"
    assert "python -m datasets.download iaac says where" in files["iaac"]
