"""`python -m labgen`."""

from labgen.cli import main

main()
