"""`python -m gcd.cli` is the command `gcd`."""

from gcd.cli import main

main()
