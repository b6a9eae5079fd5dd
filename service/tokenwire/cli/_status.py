"""Reads the status of a server from its metrics port."""

import http.client
from http import HTTPStatus
from typing import Final

import msgspec

from tokenwire.observability.status import ProcessStatus

PATH: Final = "/status.json"
MAX_BYTES: Final = 64 << 20
"""The most bytes of a status; a thousand callers with four limits take 0.4 MB per worker."""


class StatusReadError(Exception):
    """The status cannot be read; the message says why, and what to do."""


def read_status(address: str, token: str | None, timeout: float) -> list[ProcessStatus]:
    """Return the status of a server, or of each of its workers.

    Args:
        address: HOST:PORT of the metrics port, with an IPv6 host in brackets.
        token: The bearer token; None for none.
        timeout: The seconds that the connection, and each read from it, may take.

    Raises:
        StatusReadError: See above.
    """
    # Not through a proxy of the environment: the token is for the server alone.
    host, _, port = address.rpartition(":")
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=timeout)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request("GET", PATH, headers=headers)
        response = connection.getresponse()
        body = response.read(MAX_BYTES + 1)
    except TimeoutError:
        raise StatusReadError(
            f"{address} does not answer within {timeout:g} s; check --metrics-address, and "
            "firewalls on the way"
        ) from None
    except OSError as error:
        raise StatusReadError(
            f"cannot connect to {address}: {error.strerror or error}; is the metrics port of a "
            "tokenwire server there? Name another with --metrics-address"
        ) from None
    except (http.client.HTTPException, UnicodeError):
        raise StatusReadError(_foreign(address)) from None
    finally:
        connection.close()
    return _decoded(address, response.status, body, has_token=bool(token))


def _decoded(address: str, status: int, body: bytes, *, has_token: bool) -> list[ProcessStatus]:
    if status == HTTPStatus.UNAUTHORIZED:
        raise StatusReadError(
            "the server refuses the token; give the one that its TOKENWIRE_STATUS_TOKEN has"
            if has_token
            else "the server wants its TOKENWIRE_STATUS_TOKEN; set the variable, or give the file "
            "that has it with --token-file"
        )
    if status != HTTPStatus.OK or len(body) > MAX_BYTES:
        raise StatusReadError(_foreign(address))
    try:
        return msgspec.json.decode(body, type=list[ProcessStatus])
    except msgspec.MsgspecError:
        raise StatusReadError(_foreign(address)) from None


def _foreign(address: str) -> str:
    return (
        f"{address} is not the metrics port of a tokenwire server of this version; check "
        "--metrics-address"
    )
