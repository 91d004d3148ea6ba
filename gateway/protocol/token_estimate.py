"""How many tokens a request has, roughly: for clients that plan by it, where no provider counts.

The rule is meant to be simple enough to be stated, and to err on the side of too many by a little, since clients use it
to tell when a conversation becomes too long:

* one token for 4 bytes of UTF-8 text, which is about right for English and code, and for other scripts as well, whose
  characters have more bytes (OpenAI's help says "1 token is about 4 characters in English");
* the name, description and schema of a tool, the name and arguments of a call and an answer's schema are such text;
* 4 tokens for each message and each tool, for what stands between them;
* 1,600 tokens for a picture, the most that Anthropic uses for one;
* 3,000 tokens for a document, the upper end of what Anthropic says of a page, since its pages are not counted.
"""

from collections.abc import Iterable

from gateway.protocol.conversation import (
    Conversation,
    Document,
    Image,
    Part,
    Reasoning,
    Refusal,
    ResultPart,
    Text,
    ToolCall,
    ToolResult,
)

_BYTES_PER_TOKEN = 4
_BETWEEN = 4
_PICTURE = 1600
_DOCUMENT = 3000


def estimated_tokens(conversation: Conversation) -> int:
    """Return the estimate for the input of a request, at least 1."""
    texts: list[str | bytes] = []
    tokens = _BETWEEN * (len(conversation.turns) + len(conversation.tools))
    for turn in conversation.turns:
        tokens += _take(turn.parts, texts)
    for tool in conversation.tools:
        texts += [tool.name, tool.description or "", tool.schema]
    if conversation.response_format is not None:
        texts.append(conversation.response_format.schema)
    size = sum(len(text) if isinstance(text, bytes) else len(text.encode()) for text in texts)
    return max(1, tokens + -(-size // _BYTES_PER_TOKEN))


def _take(parts: Iterable[Part | ResultPart], texts: list[str | bytes]) -> int:
    """Add the texts of `parts`, and return the tokens of what is no text."""
    tokens = 0
    for part in parts:
        match part:
            case Text(text=text) | Refusal(text=text) | Reasoning(text=text):
                texts.append(text)
            case ToolCall(name=name, arguments=arguments):
                texts += [name, arguments]
            case ToolResult(parts=inner):
                tokens += _take(inner, texts)
            case Image():
                tokens += _PICTURE
            case Document():
                tokens += _DOCUMENT
    return tokens
