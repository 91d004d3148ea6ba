"""An LLM proxy gateway with a live terminal dashboard whose numbers are proved."""

__version__ = "0.1.0"
