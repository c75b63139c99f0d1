"""A small web server whose pages can break off, stall, change and redirect."""

import hashlib
import socket
import struct
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from datasets.fetch.rawfolder import RawFolder
from datasets.fetch.transfer import Patience, fetch
from datasets.provenance import Download
from datasets.spec import DataError


@dataclass
class Page:
    """What the server answers to one path; each connection takes one item of the lists."""

    content: bytes
    etag: str = '"v1"'
    date: str = ""
    has_ranges: bool = True
    heeds_conditions: bool = True
    is_chunked: bool = False
    has_length: bool = True
    location: str = ""
    shift: int = 0  # of the answered range against the one that was asked for
    statuses: list = field(default_factory=list)
    cuts: list = field(default_factory=list)  # bytes sent before the connection ends
    stalls: list = field(default_factory=list)  # bytes sent before nothing more comes
    is_reset: bool = False


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.close_connection = True
        self.server.requests.append((self.path, dict(self.headers)))
        page = self.server.pages.get(self.path)
        status = page.statuses.pop(0) if page and page.statuses else 200
        if page is None:
            status = 404
        elif status == 200 and (self.start_of(page) or 0) > len(page.content):
            status = 416
        if status >= 300:
            self.answer_empty(status, page)
        else:
            self.answer(page)

    def answer_empty(self, status, page):
        self.send_response(status)
        if page and page.location:
            self.send_header("Location", page.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def answer(self, page):
        start = self.start_of(page)
        self.send_response(206 if start is not None else 200)
        body = page.content[start or 0 :]
        if start is not None:
            last, total = len(page.content) - 1, len(page.content)
            self.send_header("Content-Range", f"bytes {start + page.shift}-{last}/{total}")
        for name, value in (("ETag", page.etag), ("Last-Modified", page.date)):
            if value:
                self.send_header(name, value)
        if page.is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body, b""))
        elif page.has_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.send_body(page, body)

    def start_of(self, page):
        asked = self.headers["Range"]
        condition = self.headers["If-Range"]
        is_met = not page.heeds_conditions or condition in (None, page.etag, page.date)
        if not asked or not page.has_ranges or not is_met:
            return None
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def send_body(self, page, body):
        cut = page.cuts.pop(0) if page.cuts else len(body)
        stall = page.stalls.pop(0) if page.stalls else None
        self.wfile.write(body[: cut if stall is None else stall])
        self.wfile.flush()
        if stall is not None:
            self.server.is_over.wait(10)
        if page.is_reset and cut < len(body):
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.requests, self.is_over = {}, [], threading.Event()

    def handle_error(self, request, client_address):
        pass  # clients that hang up are part of the game

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}{path}"

    def serve(self, path, content, **how):
        """Put a page up and return its URL."""
        self.pages[path] = Page(content, **how)
        return self.url(path)

    def headers(self, name):
        """Values of one request header, request by request."""
        return [headers.get(name) for _, headers in self.requests]


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.is_over.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def content():
    """Bytes that do not compress."""
    return np.random.default_rng(3).bytes(50_000)


def download_of(content, *urls, name="log.csv", **changes):
    """A download whose size and digest are those of the content, unless told otherwise."""
    known = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return Download(name=name, urls=urls, **(known | changes))


@pytest.fixture(name="download_of")
def download_of_fixture():
    return download_of


@pytest.fixture
def folder_of(tmp_path):
    """A fresh folder for the files of a source."""
    return lambda source: RawFolder(source, tmp_path / "raw")


HASTE = Patience(timeout_seconds=5, attempts=3, pause_seconds=0)


@pytest.fixture
def fetched(tmp_path):
    """Fetch into a fresh folder and return the bytes; nothing else may be left there."""

    def run(download, patience=HASTE):
        path = tmp_path / download.name
        fetch(download, path, patience)
        assert [file.name for file in tmp_path.iterdir()] == [download.name]
        return path.read_bytes()

    return run


@pytest.fixture
def failure_of(tmp_path):
    """Fetch in vain into a fresh folder and return the one line that says why."""

    def run(download, patience=HASTE):
        with pytest.raises(DataError) as caught:
            fetch(download, tmp_path / download.name, patience)
        assert "\n" not in str(caught.value)
        assert not (tmp_path / download.name).exists()
        return str(caught.value)

    return run
