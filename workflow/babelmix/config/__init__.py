"""The configuration: pydantic models, one file a section; loading, expansion, documentation."""
