"""Layouts of public logs, as their documentation states them: describe proposes each rightly."""

from __future__ import annotations

import json
import tomllib

import numpy as np
import polars as pl
import pytest

from datasets.describe import main

NUM_ROWS = 2_000
START = 1_573_430_000  # 10 November 2019


def clicks_of(rng, share=0.2):
    return (rng.random(NUM_ROWS) < share).astype(int)


def texts_of(rng, prefix, num):
    return [f"{prefix}{value}" for value in rng.zipf(1.5, NUM_ROWS) % num]


def lines_of(columns, separator, *, header=True):
    return pl.DataFrame(columns).write_csv(separator=separator, include_header=header)


def mind_behaviors(rng):
    """Of https://github.com/msnews/msnews.github.io/blob/master/assets/doc/introduction.md."""
    times = pl.Series(START + rng.integers(0, 6 * 86_400, NUM_ROWS)) * 1_000_000
    shown = [rng.integers(1, 9_999, rng.integers(2, 9)) for _ in range(NUM_ROWS)]
    return lines_of(
        {
            "impression": range(1, NUM_ROWS + 1),
            "user": texts_of(rng, "U", 300),
            "time": times.cast(pl.Datetime).dt.strftime("%-m/%-d/%Y %-I:%M:%S %p"),
            "history": [" ".join(f"N{item}" for item in items[1:]) for items in shown],
            "impressions": [
                " ".join(f"N{item}-{int(place == 1)}" for place, item in enumerate(items))
                for items in shown
            ],
        },
        "\t",
        header=False,
    )


def mind_news(rng):
    """Of the same page; entities are a list of JSON objects."""
    entity = [{"Label": "Prince Philip", "Confidence": 1.0, "SurfaceForms": ["Philip"]}]
    category = rng.choice(["news", "sports", "lifestyle"], NUM_ROWS)
    return "".join(
        f'N{row}\t{name}\t{name}{row % 7}\tThe {row} "best" brands\t{"" if row % 9 else "Shop"}\t'
        f"https://assets.msn.com/labs/mind/{row}.html\t{json.dumps(entity[: row % 2 + 1])}\t[]\n"
        for row, name in enumerate(category)
    )


def yidian(rng, *, header=False):
    """Of the README of datawhalechina/torch-rechub, examples/matching: train_data.txt."""
    click = clicks_of(rng)
    users = np.sort(rng.integers(0, 400, NUM_ROWS)) * 7_919 + 1_000_014_754
    read = np.where(click & (rng.random(NUM_ROWS) < 0.9), rng.integers(1, 400, NUM_ROWS), -1)
    return lines_of(
        {
            "userId": users,
            "itemId": rng.zipf(1.3, NUM_ROWS) % 900 + 460_000_000,
            "showTime": (START + rng.integers(0, 12 * 86_400, NUM_ROWS)) * 1_000 + 417,
            "network": rng.choice([0, 2, 4, 5], NUM_ROWS, p=[0.02, 0.6, 0.03, 0.35]),
            "refresh": rng.geometric(0.2, NUM_ROWS) - 1,
            "showPos": rng.integers(0, 60, NUM_ROWS),
            "click": click,
            "duration": read,
        },
        "\t",
        header=header,
    )


def aliexpress(rng):
    """Of easezyc/Multitask-Recommendation-Library, data/preprocess.py: train.csv of a country."""
    click = clicks_of(rng)
    columns = {"search_id": np.sort(rng.integers(0, 400, NUM_ROWS))}
    for place in range(1, 17):
        columns[f"categorical_{place}"] = rng.zipf(1.4, NUM_ROWS) % (3 * place)
    for place in range(1, 64):
        value = rng.random(NUM_ROWS) if place % 3 else rng.integers(0, 90, NUM_ROWS) * 1.0
        columns[f"numerical_{place}"] = np.round(value, 4)
    columns |= {"click": click, "conversion": click & (rng.random(NUM_ROWS) < 0.05)}
    return lines_of(columns, ",")


def criteo(rng):
    """Of DeepCTR's examples/criteo_sample.txt: a header over the columns of the Kaggle log."""
    gappy = {
        f"I{place}": [
            None if value > 80 else int(value) for value in rng.geometric(0.02 * place, NUM_ROWS)
        ]
        for place in range(1, 14)
    }
    tokens = {
        f"C{place}": [f"{value * 40_503 % 2**32:08x}" for value in rng.zipf(1.4, NUM_ROWS)]
        for place in range(1, 27)
    }
    return lines_of({"label": clicks_of(rng), **gappy, **tokens}, ",")


def avazu(rng):
    """Of https://www.kaggle.com/c/avazu-ctr-prediction/data."""
    hours = pl.Series(START + 3_600 * np.sort(rng.integers(0, 48, NUM_ROWS))) * 1_000_000
    columns = {
        "id": rng.integers(10**18, 9 * 10**18, NUM_ROWS),
        "click": clicks_of(rng),
        "hour": hours.cast(pl.Datetime).dt.strftime("%y%m%d%H"),
        "C1": rng.choice([1002, 1005, 1010], NUM_ROWS),
        "banner_pos": rng.integers(0, 3, NUM_ROWS),
    }
    for name in ("site_id", "site_domain", "site_category", "app_id", "device_id", "device_model"):
        columns[name] = texts_of(rng, f"{len(name):06x}", 60)
    columns["device_type"] = rng.choice([0, 1, 4, 5], NUM_ROWS)
    columns |= {f"C{place}": rng.integers(0, 4 * place, NUM_ROWS) for place in range(14, 22)}
    return lines_of(columns, ",")


def adult(rng, *, header=False):
    """Of https://archive.ics.uci.edu/dataset/2/adult: a blank after every comma, ? for a gap."""
    names = "age workclass fnlwgt education education-num sex capital-gain hours native income"
    work = rng.choice(["Private", "State-gov", "Self-emp-not-inc", "?"], NUM_ROWS)
    degree = rng.integers(0, 5, NUM_ROWS)
    rows = zip(
        rng.integers(17, 90, NUM_ROWS),
        work,
        rng.integers(12_285, 1_484_705, NUM_ROWS),
        np.array(["HS-grad", "Some-college", "Bachelors", "Masters", "11th"])[degree],
        degree + 7,
        rng.choice(["Male", "Female"], NUM_ROWS),
        np.where(rng.random(NUM_ROWS) < 0.1, rng.integers(100, 9_999, NUM_ROWS), 0),
        rng.integers(1, 99, NUM_ROWS),
        rng.choice(["United-States", "Mexico", "?"], NUM_ROWS, p=[0.9, 0.08, 0.02]),
        np.array(["<=50K", ">50K"])[clicks_of(rng)],
        strict=True,
    )
    lines = [names.replace(" ", ",")] * header + [", ".join(map(str, row)) for row in rows]
    return "\n".join(lines) + "\n"


def aliccp_joined(rng):
    """Of torch-rechub, examples/ranking/data/ali-ccp: fields as columns, click and purchase."""
    click = clicks_of(rng)
    columns = {"click": click, "purchase": click & (rng.random(NUM_ROWS) < 0.1)}
    sizes = {"101": 500, "121": 90, "124": 3, "125": 8, "205": 900, "206": 60, "301": 3}
    columns |= {name: rng.zipf(1.4, NUM_ROWS) % size for name, size in sizes.items()}
    columns |= {f"D{name}": np.round(rng.random(NUM_ROWS), 5) for name in ("109_14", "508")}
    return lines_of(columns, ",")


def shoppers(rng):
    """Of https://archive.ics.uci.edu/dataset/468 (online shoppers purchasing intention)."""
    seconds = np.where(rng.random(NUM_ROWS) < 0.5, np.round(rng.exponential(80, NUM_ROWS), 4), 0.0)
    return lines_of(
        {
            "Administrative": rng.integers(0, 27, NUM_ROWS),
            "Administrative_Duration": seconds,
            "ProductRelated": rng.integers(0, 300, NUM_ROWS),
            "BounceRates": np.round(rng.random(NUM_ROWS) / 5, 9),
            "ExitRates": np.round(rng.random(NUM_ROWS) / 5, 9),
            "PageValues": np.where(rng.random(NUM_ROWS) < 0.8, 0.0, rng.random(NUM_ROWS) * 90),
            "SpecialDay": rng.choice([0.0, 0.4, 0.8], NUM_ROWS),
            "Month": rng.choice(["Feb", "Mar", "May", "Nov"], NUM_ROWS),
            "OperatingSystems": rng.integers(1, 9, NUM_ROWS),
            "Browser": rng.integers(1, 14, NUM_ROWS),
            "Region": rng.integers(1, 10, NUM_ROWS),
            "TrafficType": rng.integers(1, 21, NUM_ROWS),
            "VisitorType": rng.choice(["Returning_Visitor", "New_Visitor", "Other"], NUM_ROWS),
            "Weekend": rng.choice(["TRUE", "FALSE"], NUM_ROWS, p=[0.23, 0.77]),
            "Revenue": np.array(["FALSE", "TRUE"])[clicks_of(rng, 0.15)],
        },
        ",",
    )


@pytest.fixture
def described(capsys, tmp_path):
    """Describe a log of this layout: the proposal, the remarks, and the columns left out."""

    def run(text, *arguments, name="log.csv"):
        (tmp_path / name).write_text(text)
        assert main([str(tmp_path / name), *arguments]) == 0
        proposal, remarks = capsys.readouterr()
        left_out = [line.split('"')[1] for line in proposal.splitlines() if "# left out" in line]
        return tomllib.loads(proposal), remarks, left_out

    return run


@pytest.fixture
def refusal(capsys, tmp_path):
    """The one line about a log of this layout."""

    def run(text):
        (tmp_path / "log.tsv").write_text(text)
        assert main([str(tmp_path / "log.tsv")]) == 2
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        return message

    return run


@pytest.fixture
def rng():
    return np.random.default_rng(5)


def kinds_of(proposal):
    """The kind of every feature by its name."""
    tables = [part if isinstance(part, dict) else {"name": part} for part in proposal["features"]]
    return {part["name"]: part.get("kind", "categorical") for part in tables}


def test_behaviors_of_mind_ask_for_one_row_per_item(refusal, rng):
    message = refusal(mind_behaviors(rng))

    assert "column c5 holds several items with their labels in one value, such as 'N" in message
    assert "write a row for each of them first" in message


def test_news_of_mind_is_no_log(refusal, rng):
    message = refusal(mind_news(rng))

    assert "no column has exactly two values" in message
    assert "a table of users or items alone is no log of what was shown" in message
    assert "columns: c1, c2, c3, c4, c5, c6, c7, c8 (invented names, as the first line" in message


def test_yidian_without_a_header(described, rng):
    proposal, remarks, left_out = described(yidian(rng))

    assert (proposal["separator"], proposal["label"]) == ("\t", "c7")
    assert proposal["timestamp"] == "c3"
    assert "time: c3, epoch in milliseconds, 2019-11-1" in remarks
    assert left_out == ["c8"]
    assert {"c1", "c2"} <= kinds_of(proposal).keys()


def test_yidian_with_a_header(described, rng):
    proposal, _, left_out = described(yidian(rng, header=True))

    assert (proposal["label"], proposal["timestamp"]) == ("click", "showTime")
    assert (proposal["cluster"], proposal["partition"]) == ("userId", ["showPos"])
    assert left_out == ["duration"]


def test_aliexpress(described, rng):
    proposal, remarks, left_out = described(aliexpress(rng))
    kinds = kinds_of(proposal)

    assert proposal["label"] == "click"
    assert "timestamp" not in proposal
    assert left_out == ["conversion"]
    assert {kinds[f"numerical_{place}"] for place in range(1, 64)} == {"numeric"}
    assert {kinds[f"categorical_{place}"] for place in range(1, 17)} == {"categorical"}
    assert proposal["partition"][0].startswith("categorical_")
    assert "if each file is a domain" not in remarks


def test_files_of_countries_may_be_a_column(described, rng, tmp_path):
    (tmp_path / "ES.csv").write_text(aliexpress(rng))

    _, remarks, _ = described(aliexpress(rng), str(tmp_path / "ES.csv"), name="NL.csv")

    assert "such as country=ES: the folder is read as a column" in remarks


def test_criteo_with_a_header(described, rng):
    proposal, _, left_out = described(criteo(rng))
    kinds = kinds_of(proposal)

    assert proposal["label"] == "label"
    assert {kinds[f"I{place}"] for place in range(1, 14)} == {"numeric"}
    assert {kinds[f"C{place}"] for place in range(1, 27)} == {"categorical"}
    assert not left_out


def test_avazu(described, rng):
    proposal, remarks, left_out = described(avazu(rng))

    assert (proposal["label"], proposal["timestamp"]) == ("click", "hour")
    assert proposal["timestamp_format"] == "%y%m%d%H"
    assert proposal["partition"][0] == "banner_pos"
    assert set(kinds_of(proposal).values()) == {"categorical"}
    assert left_out == ["id"]
    assert "a seeded shuffle" not in remarks


def test_adult_without_a_header_asks_for_the_label(refusal, described, rng):
    text = adult(rng)

    assert "c6 ('Female' and 'Male'), c10 ('<=50K' and '>50K')" in refusal(text)
    proposal, _, _ = described(text, "--label", "c10")
    assert proposal["positive"] == [">50K"]
    assert "bag" not in kinds_of(proposal).values()


def test_adult_with_a_header(described, rng):
    proposal, _, _ = described(adult(rng, header=True))
    kinds = kinds_of(proposal)

    assert (proposal["label"], proposal["positive"]) == ("income", [">50K"])
    assert (kinds["age"], kinds["capital-gain"]) == ("numeric", "numeric")
    assert (kinds["workclass"], kinds["native"]) == ("categorical", "categorical")


def test_aliccp_joined(described, rng):
    proposal, remarks, left_out = described(aliccp_joined(rng))

    assert proposal["label"] == "click"
    assert left_out == ["purchase"]
    assert "the first line is taken for a header" in remarks
    assert kinds_of(proposal)["D508"] == "numeric"
    assert proposal["partition"] != ["101"]  # users, most of whom have one class


def test_shoppers(described, rng):
    proposal, remarks, left_out = described(shoppers(rng))
    kinds = kinds_of(proposal)

    assert proposal["label"] == "Revenue"
    assert "also has two values: Weekend" in remarks
    assert (kinds["PageValues"], kinds["BounceRates"]) == ("numeric", "numeric")
    assert not left_out
