from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from datasets.fetch.transfer import Patience


@pytest.mark.parametrize("how", [{}, {"is_chunked": True}, {"has_length": False}])
def test_file_is_fetched_whole(server, content, download_of, fetched, how):
    url = server.serve("/log", content, **how)

    assert fetched(download_of(content, url)) == content
    assert len(server.requests) == 1


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_digest_in_capitals_fits(server, content, download_of, fetched, algorithm):
    known = {"sha256": "", "size": None, algorithm: hashlib.new(algorithm, content).hexdigest()}
    known[algorithm] = known[algorithm].upper()

    assert fetched(download_of(content, server.serve("/log", content), **known)) == content


@pytest.mark.parametrize(
    "version", [{}, {"etag": 'W/"1"', "date": "Wed, 01 Jul 2026 10:00:00 GMT"}]
)
def test_broken_transfer_is_resumed_where_it_stopped(
    server, content, download_of, fetched, version
):
    url = server.serve("/log", content, cuts=[20_000], **version)

    assert fetched(download_of(content, url)) == content
    assert server.headers("Range") == [None, "bytes=20000-"]
    assert server.headers("If-Range") == [None, version.get("date", '"v1"')]


@pytest.mark.parametrize(
    "how", [{"is_reset": True}, {"is_chunked": True}, {"has_length": False}, {"stalls": [9_000]}]
)
def test_transfer_that_breaks_otherwise_is_completed(server, content, download_of, fetched, how):
    url = server.serve("/log", content, cuts=[9_000], **how)
    patience = Patience(timeout_seconds=1, attempts=3, pause_seconds=0)

    assert fetched(download_of(content, url), patience) == content
    assert len(server.requests) == 2


def test_server_that_keeps_the_connection_is_not_waited_for(server, content, download_of, fetched):
    url = server.serve("/log", content, stalls=[len(content)])
    patience = Patience(timeout_seconds=1, attempts=1, pause_seconds=0)

    assert fetched(download_of(content, url), patience) == content


def test_server_without_ranges_starts_over(server, content, download_of, fetched):
    url = server.serve("/log", content, has_ranges=False, cuts=[20_000])

    assert fetched(download_of(content, url)) == content
    assert len(server.requests) == 2


@pytest.mark.parametrize("heeds_conditions", [True, False])
def test_file_that_changed_meanwhile_is_fetched_whole(
    server, content, download_of, heeds_conditions, fetched, failure_of
):
    old = download_of(content[::-1], server.serve("/log", content[::-1], cuts=[9_000, 0, 0, 0]))
    failure_of(old)

    server.serve("/log", content, etag='"v2"', heeds_conditions=heeds_conditions)
    download = download_of(content, *old.urls, sha256="")  # nothing but the version tells

    assert fetched(download) == content
    assert server.headers("If-Range")[3] == '"v1"'


@pytest.mark.parametrize("how", [{"shift": 1}, {"shift": -1}])
def test_wrong_range_is_not_appended(server, content, download_of, fetched, how):
    url = server.serve("/log", content, cuts=[9_000], **how)

    assert fetched(download_of(content, url)) == content
    assert server.headers("Range") == [None, "bytes=9000-", None]


def test_rest_without_a_version_is_proved_by_the_digest(
    server, content, download_of, fetched, failure_of
):
    url = server.serve("/log", b"\0" * len(content), etag="", cuts=[9_000, 0, 0, 0])
    failure_of(download_of(content, url))

    server.serve("/log", content, etag="")

    assert fetched(download_of(content, url)) == content
    assert server.headers("Range")[-2:] == ["bytes=9000-", None]


def test_rest_without_version_and_digest_is_not_asked_for(server, content, download_of, fetched):
    url = server.serve("/log", content, etag="", cuts=[9_000])

    assert fetched(download_of(content, url, sha256="")) == content
    assert server.headers("Range") == [None, None]


def test_part_that_is_whole_is_not_asked_for_again(server, content, download_of, fetched, tmp_path):
    url = server.serve("/log", content)
    (tmp_path / "log.csv.part").write_bytes(content)
    (tmp_path / "log.csv.part.json").write_text(json.dumps({"url": url, "version": '"v1"'}))

    assert fetched(download_of(content, url)) == content
    assert not server.requests


@pytest.mark.parametrize("note", ["", "{", "[]", '{"url": "http://127.0.0.1:1/log"}'])
def test_part_of_unknown_origin_is_not_used(server, content, download_of, fetched, tmp_path, note):
    (tmp_path / "log.csv.part").write_bytes(b"x" * 9_000)
    (tmp_path / "log.csv.part.json").write_text(note)

    assert fetched(download_of(content, server.serve("/log", content))) == content


@pytest.mark.parametrize("size", [None, 50_000])
def test_part_that_is_too_long_is_dropped(server, content, download_of, fetched, tmp_path, size):
    url = server.serve("/log", content)
    (tmp_path / "log.csv.part").write_bytes(b"x" * 60_000)
    (tmp_path / "log.csv.part.json").write_text(json.dumps({"url": url, "version": '"v1"'}))

    assert fetched(download_of(content, url, size=size)) == content


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sha256": "0" * 64}, "SHA-256"),
        ({"sha256": "", "md5": "0" * 32}, "MD5"),
        ({"size": 49_999}, "the file has 50,000 bytes, expected 49,999"),
        ({"size": 50_001}, "the file has 50,000 bytes, expected 50,001"),
    ],
)
def test_wrong_file_is_refused(server, content, download_of, tmp_path, changes, words, failure_of):
    url = server.serve("/log", content)

    message = failure_of(download_of(content, url, **changes))

    assert words in message
    assert url in message
    assert "--from-file" in message
    assert not list(tmp_path.iterdir())


def test_file_that_does_not_end_is_cut_off(server, content, download_of, tmp_path, failure_of):
    url = server.serve("/log", content, is_chunked=True)

    message = failure_of(download_of(content, url, size=20_000))

    assert "more than the 20,000 bytes" in message
    assert not list(tmp_path.glob("*.part"))


def test_next_mirror_is_tried_when_one_lacks_the_file(server, content, download_of, fetched):
    wrong = server.serve("/wrong", content[::-1])
    good = server.serve("/log", content)

    assert fetched(download_of(content, server.url("/nothing"), wrong, good)) == content
    assert [path for path, _ in server.requests] == ["/nothing", "/wrong", "/log"]


def test_part_of_one_mirror_is_not_completed_by_another(server, content, download_of, fetched):
    broken = server.serve("/a", content, cuts=[9_000, 0, 0, 0])
    good = server.serve("/b", content)

    assert fetched(download_of(content, broken, good)) == content
    assert server.headers("Range")[-1] is None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_server_in_trouble_is_asked_again(server, content, download_of, fetched, status):
    url = server.serve("/log", content, statuses=[status, status])

    assert fetched(download_of(content, url)) == content


@pytest.mark.parametrize("status", [401, 403, 410, 451])
def test_server_that_refuses_is_asked_once(server, content, download_of, status, failure_of):
    url = server.serve("/log", content, statuses=[status] * 9)

    assert f"the server answers {status}" in failure_of(download_of(content, url))
    assert len(server.requests) == 1


def test_mirror_is_given_up_after_the_stated_attempts(
    server, content, download_of, tmp_path, failure_of
):
    url = server.serve("/log", content, has_ranges=False, cuts=[9_000] * 9)

    message = failure_of(download_of(content, url))

    assert "the connection ended at byte 9,000 of 50,000, 3 times in a row" in message
    assert len(server.requests) == 3
    assert (tmp_path / "log.csv.part").stat().st_size == 9_000


def test_breaks_that_bring_something_new_are_not_counted(server, content, download_of, fetched):
    url = server.serve("/log", content, cuts=[5_000] * 9)

    assert fetched(download_of(content, url)) == content
    assert server.headers("Range")[1:] == [f"bytes={n}-" for n in range(5_000, 50_000, 5_000)]


def test_pauses_grow(server, content, download_of, monkeypatch, failure_of):
    pauses = []
    monkeypatch.setattr("datasets.fetch.transfer.time.sleep", pauses.append)
    url = server.serve("/log", content, statuses=[500] * 9)

    failure_of(download_of(content, url), Patience())

    assert pauses == [1, 2, 4, 8]


def test_refused_connection_is_one_line(content, download_of, failure_of):
    download = download_of(content, "http://127.0.0.1:9/log")

    assert "the connection failed" in failure_of(download)


def test_full_disk_is_noticed_before_the_transfer(
    server, content, download_of, monkeypatch, failure_of
):
    usage = shutil._ntuple_diskusage(100_000, 51_000, 49_000)
    monkeypatch.setattr("datasets.fetch.transfer.shutil.disk_usage", lambda folder: usage)

    message = failure_of(download_of(content, server.serve("/log", content)))

    assert "needs 50.0kB" in message
    assert "has room for 49.0kB" in message
