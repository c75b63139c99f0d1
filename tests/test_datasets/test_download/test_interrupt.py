from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from datasets.fetch.transfer import Patience
from datasets.provenance import Download, Source

ROOT = Path(__file__).resolve().parents[3]
HASTE = Patience(timeout_seconds=5, attempts=3, pause_seconds=0)
FETCH = """
import json, sys
from pathlib import Path
from datasets.provenance import Download, Source
from datasets.fetch.rawfolder import RawFolder
from datasets.fetch.transfer import Patience
keys = json.loads(sys.argv[1])
download = Download(name="log.csv", urls=(keys["url"],), size=keys["size"], sha256=keys["sha256"])
source = Source(description="A log.", downloads=(download,))
RawFolder(source, Path(keys["root"])).fetch(Patience())
"""


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_fetch_is_resumed_to_the_same_bytes(server, content, folder_of, way):
    digest = hashlib.sha256(content).hexdigest()
    url = server.serve("/log.csv", content, stalls=[30_000])
    download = Download(name="log.csv", urls=(url,), sha256=digest, size=len(content))
    folder = folder_of(Source(description="A log.", downloads=(download,)))
    part = folder.root / ".download" / "log.csv.part"
    keys = {"url": url, "size": len(content), "sha256": digest, "root": str(folder.root)}

    command = [sys.executable, "-c", FETCH, json.dumps(keys)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not (part.exists() and part.stat().st_size >= 24_000):
            time.sleep(0.01)
        process.send_signal(way)
    kept = part.stat().st_size
    assert [state.state for state in folder.states()] == ["missing"]

    folder.fetch(HASTE)

    assert (folder.root / "log.csv").read_bytes() == content
    assert server.headers("Range") == [None, f"bytes={kept}-"]
