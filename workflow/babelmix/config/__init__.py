"""The configuration: pydantic models, one file a section; loading, expansion, documentation."""

from .root import Config

__all__ = ["Config"]
