"""MLflow and Optuna journals beside a run, which can fail without harm."""

import shutil
import sqlite3

import pytest

pytestmark = pytest.mark.slow  # MLflow takes seconds to import and to make a database
WORDS = ("--preset", "smoke", "--only", "main", "--methods", "plain", "adasparse")


@pytest.fixture(scope="module")
def copied(run_all, finished, tmp_path_factory):
    """The finished run in another folder, with MLflow and journals."""
    source, spec, _ = finished
    out = shutil.copytree(source, tmp_path_factory.mktemp("copied") / "out")
    done = run_all(*WORDS, "--data", spec, "--out", out, has_mlflow=True)
    assert done.returncode == 0, done.stderr
    return out, done


def runs_of(out):
    """Key and stage of every living run."""
    with sqlite3.connect(out / "mlflow.db") as database:
        rows = database.execute(
            "select t.value, s.value from runs r join tags t on t.run_uuid = r.run_uuid and"
            " t.key = 'key' join tags s on s.run_uuid = r.run_uuid and s.key = 'stage'"
            " where r.lifecycle_stage = 'active'"
        ).fetchall()
    return sorted(rows)


def test_every_trial_and_every_final_run_is_in_mlflow(copied):
    out, done = copied

    stages = [stage for _, stage in runs_of(out)]
    assert stages.count("tune") == 8
    assert stages.count("final") == 8
    assert "mlflow ui --backend-store-uri sqlite+pysqlite:///" in done.stdout.splitlines()[-2]


def test_journals_hold_every_search(copied):
    optuna = pytest.importorskip("optuna")
    out, _ = copied
    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(out / "optuna" / "tiny.journal"))
    )

    studies = optuna.get_all_study_summaries(storage)

    assert {study.study_name.split()[-1] for study in studies} == {
        *("dnn+plain", "dnn+adasparse", "dcnv2+plain", "dcnv2+adasparse"),
    }
    assert {study.n_trials for study in studies} == {2}


def test_a_broken_database_and_journal_fail_no_cell_and_stay(run_all, tiny_log):
    out = tiny_log.parent / "out"
    (out / "optuna").mkdir(parents=True)
    (out / "mlflow.db").write_text("not a database")
    (out / "optuna" / "tiny.journal").write_text("not a journal")

    words = (*WORDS, "--backbones", "dnn", "--seeds", 1)
    done = run_all(*words, "--data", tiny_log, "--out", out, has_mlflow=True)

    assert done.returncode == 0
    assert "python -m benchmark.tracking --rebuild" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (out / "mlflow.db").read_text() == "not a database"
    assert len(list(out.rglob("record.json"))) == 2
