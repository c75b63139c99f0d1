from __future__ import annotations

import pytest


def test_redirect_within_the_web_is_followed(server, content, download_of, fetched):
    target = server.serve("/log", content, cuts=[9_000])
    url = server.serve("/moved", b"", statuses=[302, 307], location=target)

    assert fetched(download_of(content, url)) == content
    assert server.headers("Range") == [None, None, "bytes=9000-", "bytes=9000-"]


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("file:///etc/hostname", "the server answers 302"),
        ("ftp://127.0.0.1/log", "only http and https addresses"),
        ("data:,log", "the server answers 302"),
        ("/moved", "a redirect without end"),
        ("http://[::1", "an unusable address"),
    ],
)
def test_redirect_out_of_the_web_is_refused(
    server, content, download_of, location, words, failure_of
):
    url = server.serve("/moved", b"", statuses=[302] * 99, location=location)

    message = failure_of(download_of(content, url))

    assert words in message
    assert "in a row" not in message


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/log"])
def test_address_outside_the_web_is_refused(content, download_of, url, failure_of):
    message = failure_of(download_of(content, url))

    assert "only http and https addresses" in message


def test_proxy_is_not_used_for_this_machine(server, content, download_of, fetched, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    assert fetched(download_of(content, server.serve("/log", content))) == content


def test_proxy_is_used_for_others(server, content, download_of, fetched, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url(""))
    monkeypatch.setenv("no_proxy", "")
    server.serve("http://log.invalid/log", content)

    assert fetched(download_of(content, "http://log.invalid/log")) == content
