"""Opens HTTP connections whose errors say whether it is worth trying again."""

from __future__ import annotations

import http.client
import ipaddress
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, NoReturn
from urllib import request
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from http.client import HTTPMessage, HTTPResponse
    from typing import IO

SCHEMES = ("http", "https")
BLOCK_BYTES = 1 << 18
AGENT = "multi-domain-ctr-benchmark"
MAY_PASS = (
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


class MirrorError(Exception):
    """A mirror does not deliver the file, and will not when asked again."""


class BrokenTransferError(Exception):
    """A transfer that may well succeed when it is tried again."""


class RangeError(BrokenTransferError):
    """There is no such rest of the file as was asked for."""


def connect(url: str, headers: Mapping[str, str], timeout_seconds: float) -> HTTPResponse:
    """The answer to a GET, its body unread.

    Raises:
        MirrorError: the server refuses, or the address is none that may be fetched.
        BrokenTransferError: there is no connection, or the server is in trouble.
        RangeError: the file is shorter than the rest that was asked for.
    """
    _check_scheme(url)
    sent = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
    try:
        return _opener().open(request.Request(url, headers=sent), timeout=timeout_seconds)
    except HTTPError as error:
        error.close()
        _raise_for(error.code)
    except (OSError, http.client.HTTPException) as error:
        _raise_from(error)
    except ValueError as error:  # such as half an IPv6 address in a redirect
        raise MirrorError(f"an unusable address ({error})") from None


def blocks(response: HTTPResponse) -> Iterator[bytes]:
    """The body as it comes.

    Raises:
        BrokenTransferError: the connection breaks, or nothing comes for too long.
    """
    while True:
        try:
            block = response.read1(BLOCK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            _raise_from(error)
        if not block:
            return
        yield block


def _raise_for(code: int) -> NoReturn:
    line = f"the server answers {code} {http.client.responses.get(code, '')}".rstrip()
    if code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        raise RangeError(line) from None
    if code in MAY_PASS:
        raise BrokenTransferError(line) from None
    if code < HTTPStatus.BAD_REQUEST:
        line += ", a redirect without end or to what is no web address"
    raise MirrorError(line) from None


def _raise_from(error: OSError | http.client.HTTPException) -> NoReturn:
    reason = error.reason if isinstance(error, URLError) else error
    line = " ".join(str(reason).split()) or type(reason).__name__
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise MirrorError(f"the server's certificate is not trusted ({line})") from None
    raise BrokenTransferError(f"the connection failed ({line})") from None


def _check_scheme(url: str) -> None:
    if urlsplit(url).scheme not in SCHEMES:
        raise MirrorError(f"{url} is refused; only {' and '.join(SCHEMES)} addresses are fetched")


class _Redirects(request.HTTPRedirectHandler):
    """Follows redirects, but only over the web."""

    def redirect_request(
        self,
        req: request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> request.Request | None:
        _check_scheme(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Proxies(request.ProxyHandler):
    """The proxies of the environment, except to this very machine."""

    def proxy_open(self, req: request.Request, proxy: str, type: str) -> HTTPResponse | None:
        if _is_loopback(urlsplit(req.full_url).hostname or ""):
            return None
        opened: HTTPResponse | None = super().proxy_open(req, proxy, type)
        return opened


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _opener() -> request.OpenerDirector:
    """Web addresses only: no files, no FTP."""
    opener = request.OpenerDirector()
    for handler in (
        _Proxies(),
        _Redirects(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPErrorProcessor(),
        request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener
