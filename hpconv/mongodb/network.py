"""Addresses of this host on which a server may listen."""

import contextlib
import os
import socket
from ipaddress import AddressValueError, IPv4Address

import psutil

from hpconv.errors import UserError

LOOPBACK, LOOPBACK_NETWORK = "127.0.0.1", "127."


def bind_address(bind: str | None) -> str:
    """The IPv4 address of a network interface, or the given address.

    By default it is loopback; in a PBS job, whose workers run on other hosts, the address of this
    host's name.

    Raises:
        UserError: if this host has no such interface or address.
    """
    if bind is None:
        return _own_address() if "PBS_JOBID" in os.environ else LOOPBACK
    interfaces = _interfaces()
    if bind in interfaces:
        return interfaces[bind]
    if _is_own(bind):
        return bind
    known = ", ".join(f"{name} ({address})" for name, address in interfaces.items())
    raise UserError(
        f"config key 'database.bind' is '{bind}', which is neither a network interface of this "
        f"host nor its IPv4 address: write one of {known}"
    )


def _own_address() -> str:
    name = socket.gethostname()
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        raise UserError(
            f"this host's name, {name}, has no address ({error}): set config key "
            "'database.bind' to the network interface that the hosts share, such as ib0"
        ) from None


def _interfaces() -> dict[str, str]:
    return {
        name: entry.address
        for name, entries in psutil.net_if_addrs().items()
        for entry in reversed(entries)  # reversed: the first of several addresses is kept
        if entry.family == socket.AF_INET
    }


def _is_own(text: str) -> bool:
    with contextlib.suppress(AddressValueError, OSError), socket.socket() as probe:
        address = IPv4Address(text)
        probe.bind((str(address), 0))
        return not address.is_unspecified  # 0.0.0.0 would be all interfaces
    return False


def free_port() -> int:
    """A TCP port that is free on all addresses."""
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
