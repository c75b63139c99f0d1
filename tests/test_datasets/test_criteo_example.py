from __future__ import annotations

from pathlib import Path

from datasets import catalog

EXAMPLE = Path(catalog.__file__).parent / "criteo.example.toml"


def line(row):
    numbers = ["" if row % 4 == 0 else str(row - 2), *(str(row % 7) for _ in range(12))]
    categories = ["" if row % 5 == 0 else f"{row % 3:08x}", *(f"{row % 4:08x}" for _ in range(25))]
    return "\t".join([str(row % 2), *numbers, *categories])


def test_file_without_a_header_is_prepared(prepare_entry, tmp_path):
    (tmp_path / "train.txt").write_text("".join(line(row) + "\n" for row in range(60)))

    data = prepare_entry(str(EXAMPLE))

    assert data.card["rows_in_log"] == 60
    assert data.card["split_kind"] == "shuffle"
    assert len(data.schema.fields) == 39
    assert data.schema.num_domains == 5  # four values of C17, and those unseen in train
    field = data.schema.fields.index("I1")
    missing = data.rows()[:, field] == data.schema.field_sizes[field] - 1
    assert sorted(data.row_ids()[missing].tolist()) == list(range(0, 60, 4))
