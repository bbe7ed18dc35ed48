"""`python -m babelmix`."""

from .cli import main

raise SystemExit(main())
