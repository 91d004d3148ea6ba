"""Synthetic traffic for `gateway demo`: a provider that makes answers up, and the clients that ask for them."""
