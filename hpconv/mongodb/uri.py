"""Addresses of servers: from a connection file, or from the option --mongo."""

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from pymongo.uri_parser import parse_uri

from hpconv.errors import UserError
from hpconv.mongodb import connection_file

DATABASE = "hpconv"
PASSWORD_VARIABLE = "HPCONV_MONGODB_PASSWORD"  # never on a command line, where `ps` shows it

Address = Callable[[], str]  # returns a URI; a later call may return another one


def from_file(path: Path) -> Address:
    """The address in a connection file, which the server keeps up to date."""

    def address() -> str:
        record = connection_file.read(path)
        if record.uri is None:
            damaged = f"{path} is damaged: delete it and start the server again"
            raise UserError(record.error or damaged)
        return record.uri

    return address


def from_option(mongo: str) -> tuple[Address, str]:
    """Address and database of ``HOST:PORT/DB``, or of a ``mongodb://`` URI without a password.

    Raises:
        UserError: if it cannot be parsed, names no database, or contains a password.
    """
    uri = mongo if "://" in mongo else f"mongodb://{mongo}"
    example = "write HOST:PORT/DATABASE, such as node7:27017/hpconv"
    try:
        parsed = parse_uri(uri)
    except Exception as error:  # ValueError, InvalidURI, ConfigurationError
        raise UserError(f"--mongo cannot be parsed ({error}): {example}") from None
    if parsed["password"]:
        raise UserError(
            f"--mongo contains a password, which every user of this host can see: remove it "
            f"and set {PASSWORD_VARIABLE} in the environment"
        )
    if not parsed["database"]:
        raise UserError(f"--mongo names no database: {example}")
    return (lambda: _with_password(uri)), parsed["database"]


def _with_password(uri: str) -> str:
    password = os.environ.get(PASSWORD_VARIABLE)
    if not password:
        return uri
    parts = urlsplit(uri)
    user = unquote(parts.username or "hpconv")
    host = parts.netloc.rpartition("@")[2]
    options = [option for option in parts.query.split("&") if option]
    if not any(option.lower().startswith("authsource=") for option in options):
        options.append("authSource=admin")
    credentials = f"{quote(user, safe='')}:{quote(password, safe='')}"
    return f"{parts.scheme}://{credentials}@{host}{parts.path}?{'&'.join(options)}"
