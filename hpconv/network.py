"""Addresses of this machine on which a server may listen."""

import contextlib
import socket
from ipaddress import AddressValueError, IPv4Address

import psutil

from hpconv.errors import UserError

LOOPBACK = "127.0.0.1"


def bind_address(bind: str | None) -> str:
    """The address that a network interface's name or an address stands for.

    Raises:
        UserError: when this machine does not have it.
    """
    if bind is None:
        return LOOPBACK
    interfaces = _interfaces()
    if bind in interfaces:
        return interfaces[bind]
    if _is_ours(bind):
        return bind
    known = ", ".join(f"{name} ({address})" for name, address in interfaces.items())
    raise UserError(
        f"config key 'database.bind' is '{bind}', which is no network interface of this machine "
        f"and no IPv4 address of one; there are: {known}"
    )


def _interfaces() -> dict[str, str]:
    return {
        name: entry.address
        for name, entries in psutil.net_if_addrs().items()
        for entry in reversed(entries)  # of several addresses the first one counts
        if entry.family == socket.AF_INET
    }


def _is_ours(text: str) -> bool:
    with contextlib.suppress(AddressValueError, OSError), socket.socket() as probe:
        address = IPv4Address(text)
        probe.bind((str(address), 0))
        return not address.is_unspecified  # that would be every network there is
    return False


def free_port() -> int:
    """A port that nobody uses on any address."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
