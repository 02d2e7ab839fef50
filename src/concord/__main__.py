"""`python -m concord` is the command line."""

from concord.cli.main import main

main()
