"""`python -m expacti_agent`: the same as `expacti`."""

from expacti_agent.cli import main

main()
