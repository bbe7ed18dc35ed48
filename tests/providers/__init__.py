"""A provider simulator on loopback, and a table of what providers do, run through the real verbs.

python -m tests.providers --help
"""
