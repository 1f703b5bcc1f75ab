"""The limit of open files: how many connections, and so workers, a server on this host serves."""

import resource

FILES_PER_CONNECTION = 2  # a socket and an event, of MongoDB 6.0
OWN_FILES = 200  # of a server without connections; 60 were counted with a searched database
CONNECTIONS_PER_WORKER = 2  # one for queries, one that watches the server
OTHER_CONNECTIONS = 20  # of driver, supervisor, and 'hpconv mongod status' or 'backup'
MOST_FILES = 2**16  # also where the hard limit is higher


def allowed_files() -> int:
    """The highest limit of open files that a process of this user may set."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(soft, MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES))


def raise_limit() -> None:
    """Raise the limit of open files of this process, and of those that it starts from now on."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed_files(), hard))


def max_connections() -> int:
    """How many connections a server can serve; it aborts when it cannot open another file."""
    return (allowed_files() - OWN_FILES) // FILES_PER_CONNECTION


def max_workers() -> int:
    """How many workers a server can serve."""
    return (max_connections() - OTHER_CONNECTIONS) // CONNECTIONS_PER_WORKER
