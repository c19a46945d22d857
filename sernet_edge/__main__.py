"""`python -m sernet_edge` is `sernet-edge`."""

from sernet_edge.cli import main

main()
