"""Addresses of this machine on which a server may listen."""

import contextlib
import os
import socket
from ipaddress import AddressValueError, IPv4Address

import psutil

from hpconv.errors import UserError

LOOPBACK, LOOPBACK_NETWORK = "127.0.0.1", "127."


def bind_address(bind: str | None) -> str:
    """The address that a network interface's name or an address stands for.

    Without one it is loopback; in a job of a scheduler, whose workers are on other machines, the
    address of this machine's name.

    Raises:
        UserError: when this machine does not have it.
    """
    if bind is None:
        return _own_address() if "PBS_JOBID" in os.environ else LOOPBACK
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


def _own_address() -> str:
    name = socket.gethostname()
    try:
        return socket.gethostbyname(name)
    except OSError as error:
        raise UserError(
            f"the name of this machine, {name}, has no address ({error}): set config key "
            "'database.bind' to the network interface that the nodes share, such as ib0"
        ) from None


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
