"""The kind of a file, told by its first bytes and never by its name, and its plain bytes."""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast

from datasets.raw.packed import plain_file
from datasets.spec import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAD_BYTES = 512
PARQUET = b"PAR1"
PACKINGS = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}  # read on the fly
UNPACK, WRITE = "unpack it", "write it as CSV or Parquet"
STRANGERS = {
    rb"PK(\x03\x04|\x05\x06)": ("a zip archive or an Excel workbook", f"{UNPACK}, or {WRITE}"),
    rb".{257}ustar": ("a tar archive", UNPACK),
    rb"BZh\d1AY&SY": ("a bzip2 file", UNPACK),
    rb"\xfd7zXZ\x00": ("an xz file", UNPACK),
    rb"\x04\x22\x4d\x18": ("an lz4 file", UNPACK),
    rb"7z\xbc\xaf\x27\x1c": ("a 7z archive", UNPACK),
    rb"Rar!\x1a\x07": ("a rar archive", UNPACK),
    rb"\x1f\x8b|\x28\xb5\x2f\xfd": ("a file packed twice", "unpack it once"),
    rb"PAR1": ("a Parquet file", f"{UNPACK} (a log of the catalog is text)"),
    rb"ORC[^\w,;|\t\r \"]": ("an ORC file", WRITE),
    rb"Obj\x01": ("an Avro file", WRITE),
    rb"ARROW1|FEA1": ("an Arrow file", WRITE),
    rb"\x89HDF\r\n": ("an HDF5 file", WRITE),
    rb"\xd0\xcf\x11\xe0\xa1\xb1": ("an old Excel workbook", WRITE),
    rb"SQLite format 3\x00": ("a SQLite database", WRITE),
    rb"(\xef\xbb\xbf)?\s*(\[\s*)?\{\s*\"": ("JSON", WRITE),
    rb"\xff\xfe|\xfe\xff|(\x00[ -~]){4}|([ -~]\x00){4}": ("UTF-16 text", "save it as UTF-8"),
    rb"\s*<(?i:!doctype|html|\?xml)": ("a web page or XML", "fetch the file itself"),
    rb"\x00{16}": ("zero bytes, as of an empty tar archive", "fetch it again"),
    rb"version https://git-lfs": ("a pointer of Git LFS", "fetch the file itself: git lfs pull"),
}


def is_parquet(path: Path) -> bool:
    """True of a Parquet file; all others are read as text."""
    with plain_file(path).open("rb") as stream:
        return stream.read(len(PARQUET)) == PARQUET


@contextmanager
def open_bytes(path: Path) -> Iterator[BinaryIO]:
    """The plain bytes of a text file; gzip and zstd are unpacked on the fly.

    Raises:
        DataError: the packed stream is damaged or cut short, or no text is in the file.
    """
    import pyarrow as pa

    file = plain_file(path)
    with file.open("rb") as plain:
        packing = next((name for magic, name in PACKINGS.items() if _starts(plain, magic)), None)
    try:
        if packing is None:
            stream = file.open("rb")
        else:
            packed = pa.CompressedInputStream(pa.OSFile(str(file)), packing)
            stream = io.BufferedReader(cast("io.RawIOBase", packed))
        with stream:
            within = packing or ("an archive" if file != path else "")
            _check_text(path, stream.peek(HEAD_BYTES)[:HEAD_BYTES], within)
            yield stream
    except OSError as error:
        if error.errno is not None:  # of the disk, not of the stream
            raise
        raise DataError(
            f"{path}: the compressed stream is truncated or damaged ({error}); fetch the file again"
        ) from None


def _starts(stream: io.BufferedReader, magic: bytes) -> bool:
    return stream.peek(len(magic)).startswith(magic)


def _check_text(path: Path, head: bytes, within: str) -> None:
    for pattern, (kind, remedy) in STRANGERS.items():
        if re.match(pattern, head, re.DOTALL):
            where = f" within {within}" if within else ""
            raise DataError(f"{path}: by its first bytes this is {kind}{where}; {remedy}")
