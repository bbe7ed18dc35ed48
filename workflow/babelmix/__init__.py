"""Babelmix: from raw instruction data to judged conclusions on multilingual instruction tuning.

The package is a pure library with a command line (``python -m babelmix``). It never imports
snakemake; torch is imported only inside ``train/`` and the local answer engine, and only when
one of their functions runs.
"""

__version__ = "0.1.0"
