"""A small web server whose pages can fail, break off and stall; sources of what it serves."""

import hashlib
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from datasets.fetch import RawFolder
from datasets.provenance import Download


@dataclass
class Page:
    """The answer to one path; each connection takes one item of the lists."""

    content: bytes
    statuses: list = field(default_factory=list)
    cuts: list = field(default_factory=list)  # bytes sent before the connection ends
    is_stalled: bool = False  # half of it is sent, and then nothing more


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        page = self.server.pages.get(self.path)
        status = 404 if page is None else page.statuses.pop(0) if page.statuses else 200
        body = page.content if status == 200 else b""
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status == 200 and page.is_stalled:
            self.wfile.write(body[: len(body) // 2])
            self.server.is_over.wait(10)
        elif status == 200:
            self.wfile.write(body[: page.cuts.pop(0) if page.cuts else len(body)])

    def log_message(self, *words):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pages, self.requests, self.is_over = {}, [], threading.Event()

    def handle_error(self, request, client_address):
        pass  # clients that hang up are part of the game

    def serve(self, path, content, **how):
        """Put a page up and return its URL."""
        self.pages[path] = Page(content, **how)
        return f"http://127.0.0.1:{self.server_port}{path}"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.is_over.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def pauses(monkeypatch):
    """The seconds that are waited between attempts, which take none."""
    waited = []
    monkeypatch.setattr("pooch.core.time.sleep", waited.append)
    return waited


@pytest.fixture
def content():
    """Bytes that do not compress."""
    return np.random.default_rng(3).bytes(50_000)


@pytest.fixture
def download_of():
    """A download of some content, with its digest unless told otherwise."""

    def make(content, url, name="log.csv", **changes):
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return Download(name=name, url=url, **({"digest": digest} | changes))

    return make


@pytest.fixture
def folder_of(tmp_path):
    """A fresh folder for the files of a source."""
    return lambda source: RawFolder(source, tmp_path / "raw")
