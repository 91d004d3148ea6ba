"""Anthropic messages as one of the protocols that are translated."""
