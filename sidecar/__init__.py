"""A transparent reverse proxy beside an LLM backend, which understands the streams that pass."""

__version__ = "0.1.0"
