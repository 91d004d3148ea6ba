"""Token counts as the provider reported them."""

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """Input includes cached and cache-written tokens; output includes reasoning tokens."""

    input_tokens: int
    output_tokens: int
