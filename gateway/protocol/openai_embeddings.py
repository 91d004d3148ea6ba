"""OpenAI embeddings: never streamed and never translated, since no other protocol has them.

Protocol facts, as the official Python SDK shows them (`types/create_embedding_response.py`): the answer's `usage` has
`prompt_tokens` and nothing that was written; an error body is that of chat completions.
"""

from typing import ClassVar

from gateway.protocol.openai_chat import OpenAIChat


class OpenAIEmbeddings(OpenAIChat):
    """`POST /v1/embeddings`."""

    name: ClassVar[str] = "embeddings"
    is_conversation: ClassVar[bool] = False
    upstream_path: ClassVar[str] = "/embeddings"


EMBEDDINGS = OpenAIEmbeddings()
