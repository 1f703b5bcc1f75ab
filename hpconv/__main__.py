"""``python -m hpconv``."""

from hpconv.cli import main

main()
