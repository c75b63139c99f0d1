"""A saved model is one folder, read back as it was, and a damaged one is refused in one line."""

import json
import shutil

import numpy as np
import polars as pl
import pytest

from datasets.files import json_digest
from models.saved import FORMAT, MODEL, ModelError, SavedModel
from tests.conftest import ROOT

SHIFT = ROOT / "tests/foreign/models/methods/foreign_shift.py"


@pytest.fixture
def folder(make_saved, tmp_path):
    """The folder of a saved model."""
    make_saved().write(tmp_path / "model")
    return tmp_path / "model"


def refused(folder):
    with pytest.raises(ModelError) as caught:
        SavedModel.read(folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_model_is_read_back_as_it_was(make_saved, raw_rows, tmp_path):
    model = make_saved("star")
    model.write(tmp_path / "models" / "model")

    again = SavedModel.read(tmp_path / "models" / "model")

    assert again.logits(raw_rows).tolist() == model.logits(raw_rows).tolist()
    assert len(set(model.logits(raw_rows))) > 10
    assert again.design == model.design
    assert again.schema == model.schema
    assert again.encoders.examples.equals(model.encoders.examples)
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["model"]


def test_a_folder_from_before_prior_columns_is_read(folder):
    content = json.loads((folder / MODEL).read_text())["content"]
    assert content["design"].pop("prior") == ["item"]
    sealed = {"sha256": json_digest(content), "content": content}
    (folder / MODEL).write_text(json.dumps(sealed))

    assert SavedModel.read(folder).design.prior == ()


def test_probabilities_are_the_sigmoid_of_the_logits(make_saved, raw_rows):
    model = make_saved()

    chances = model.predict_proba(raw_rows)

    assert chances == pytest.approx(1 / (1 + np.exp(-model.logits(raw_rows).astype(float))))
    assert chances.dtype == np.float64


def test_no_rows_have_no_probabilities(make_saved, raw_rows):
    assert make_saved().predict_proba(raw_rows.clear()).tolist() == []


def test_the_row_of_a_wrong_value_is_counted_over_blocks(make_saved, raw_rows, monkeypatch):
    monkeypatch.setattr("models.saved.BLOCK_ROWS", 7)
    wrong = raw_rows.with_columns(price=pl.Series(["1"] * 39 + ["dear"]))

    with pytest.raises(ValueError, match=r"^row 40: numeric column 'price' holds 'dear'"):
        make_saved().predict_proba(wrong)


def test_a_plugin_travels_with_its_model(make_saved, raw_rows, tmp_path):
    own = shutil.copy(SHIFT, tmp_path / "my_shift.py")
    model = make_saved("my_shift", {"methods": tmp_path / "my_shift.py"})
    logits = model.logits(raw_rows)
    model.write(tmp_path / "model")
    own.unlink()

    again = SavedModel.read(tmp_path / "model")

    assert again.logits(raw_rows).tolist() == logits.tolist()
    again.write(tmp_path / "copy")
    assert SavedModel.read(tmp_path / "copy").logits(raw_rows).tolist() == logits.tolist()


def test_a_folder_that_exists_is_never_replaced(make_saved, folder):
    with pytest.raises(ModelError, match="exists already; remove it or name another folder"):
        make_saved().write(folder)


@pytest.mark.parametrize("is_there", [True, False])
def test_a_folder_without_a_model_is_told_so(tmp_path, is_there):
    path = tmp_path if is_there else tmp_path / "nothing"

    assert refused(path) == (
        f"{path}: no saved model, as model.json is not there; name a folder that holds one"
    )


@pytest.mark.parametrize(
    "name", ["weights.npz", "encoders.json", "tokens.parquet", "domain_ids.parquet"]
)
def test_a_missing_or_changed_file_is_named(folder, name):
    path, content = folder / name, (folder / name).read_bytes()
    path.write_bytes(content[:-1] + b"x")
    of_changed = refused(folder)
    path.unlink()

    of_missing = refused(folder)

    assert of_changed == of_missing
    assert of_missing == f"{path}: missing or changed since the model was saved; save it again"


@pytest.mark.parametrize("content", ["", "[]", '{"content": {}}'])
def test_a_damaged_description_is_named(folder, content):
    (folder / MODEL).write_text(content)

    assert refused(folder).startswith(f"{folder / MODEL}: missing or changed since")


def test_an_edited_description_is_named(folder):
    path = folder / MODEL
    path.write_text(path.read_text().replace('"dcnv2"', '"dnn"'))

    assert refused(folder).startswith(f"{path}: missing or changed since")


def test_another_format_is_named(folder):
    path = folder / MODEL
    path.write_text(path.read_text().replace(f'"format": {FORMAT}', '"format": 99'))

    assert refused(folder).startswith(f"{path}: of format 99, this program reads {FORMAT}; save")


def test_a_method_that_this_program_lacks_is_named(make_saved, monkeypatch, tmp_path):
    make_saved().write(tmp_path / "model")
    monkeypatch.setattr("models.registry._built_in", lambda kind: ("dcnv2", "plain"))

    message = refused(tmp_path / "model")

    assert "cannot be loaded by this program (Unknown method 'adasparse'. Available:" in message


@pytest.mark.parametrize("changes", [{"is_placebo": True}, {"domain_from": "coarser"}])
def test_a_model_that_needs_prepared_rows_is_refused(make_saved, changes):
    with pytest.raises(ModelError, match="cannot score raw rows"):
        make_saved(**changes)


def test_encoders_of_another_log_are_refused(make_saved):
    with pytest.raises(ModelError, match=r"the model reads place, thing, item, tags, the enc"):
        make_saved(fields=("place", "thing", "item"))


def test_a_failed_write_leaves_nothing(make_saved, monkeypatch, tmp_path):
    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("models.saved.file_digest", fail)

    with pytest.raises(OSError, match="disk full"):
        make_saved().write(tmp_path / "model")

    assert list(tmp_path.iterdir()) == []
