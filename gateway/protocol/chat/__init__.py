"""OpenAI chat completions as one of the protocols that are translated."""
