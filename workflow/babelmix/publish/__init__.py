"""Handing on what the workflow makes: dataset cards and uploads to the hub."""
