"""Cards of real logs on the page."""

from __future__ import annotations

import json

from reports.page.data_cards import MOST_DOMAINS, data_cards
from reports.reading.load import load_runs
from tests.test_reports.conftest import Folder

COUNTS = [
    {"what": "rows", "column": "", "here": 400, "published": 500},
    {"what": "users", "column": "user", "here": 40, "published": None},
]
PUBLISHED = {"release": "Shop-1", "citation": "its README", "remark": "this copy has 400 rows"}


def card_on_page(folder: Folder, **facts: object) -> dict[str, object]:
    """The card of a log without known truth, with further facts."""
    folder.write_data(with_truth=False)
    path = folder.store.data_folder(folder.fingerprint) / "card.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | facts))
    return data_cards(load_runs(folder.store.out))[0]


def test_counts_stand_beside_the_published_ones(finished: Folder) -> None:
    counts = card_on_page(finished, counts=COUNTS, published=PUBLISHED)["counts"]

    assert counts["heads"] == ["Of the log", "Here", "Published for Shop-1"]
    assert counts["rows"] == [["rows", "400", "500"], ["users (user)", "40", "not stated"]]
    assert counts["remark"] == "Check: this copy has 400 rows. Published: its README."


def test_counts_of_your_own_log_stand_alone(finished: Folder) -> None:
    counts = card_on_page(finished, counts=COUNTS, published={})["counts"]

    assert counts["heads"] == ["Of the log", "Here"]
    assert [len(row) for row in counts["rows"]] == [2, 2]


def test_older_card_has_no_counts(finished: Folder) -> None:
    assert card_on_page(finished)["counts"] is None


def test_what_train_knows_of_test_is_a_fact(finished: Folder) -> None:
    facts = card_on_page(finished, overlap_lines=["one", "two"])["facts"]

    assert facts["Known from train"] == "one; two"


def test_largest_domains_have_rows_and_clicks_of_every_split(finished: Folder) -> None:
    domains = finished.domains().to_pandas()

    shown = card_on_page(finished)["domains"]

    assert shown["heads"][1:3] == ["train rows", "train clicks"]
    assert len(shown["rows"]) == min(MOST_DOMAINS, len(domains))
    counts = [[int(text.replace(",", "")) for text in row[1:]] for row in shown["rows"]]
    of_value = domains.set_index("scenario")
    for row, numbers in zip(shown["rows"], counts, strict=True):
        assert numbers == of_value.loc[row[0]].iloc[2:8].astype(int).tolist()
    volumes = [sum(numbers[::2]) for numbers in counts]
    assert volumes == sorted(volumes, reverse=True)
