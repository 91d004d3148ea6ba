"""The document that describes the gateway to tools."""

import json
from typing import Any

from gateway.api.openapi import SCHEMAS
from tests.support.asgi import Gateway, response
from tests.support.speaking import PATHS


async def document() -> Any:
    """The document as it is served."""
    answer = await Gateway(lambda _: response(b"{}")).request("GET", "/openapi.json")
    assert answer.status == 200
    return json.loads(answer.body)


async def test_every_counted_route_describes_its_bodies():
    """What it takes, what it answers, and its errors."""
    paths = (await document())["paths"]
    for path in PATHS.values():
        operation = paths[path]["post"]
        assert operation["requestBody"]["required"]
        assert set(operation["responses"]) == {"200", "default"}
        assert operation["description"]


async def test_every_schema_is_there_and_used():
    """Each reference has its schema, and no schema is left over."""
    served = await document()
    text = json.dumps(served["paths"])
    assert {name for name in SCHEMAS if f'"#/components/schemas/{name}"' in text} == set(SCHEMAS)
    assert set(served["components"]["schemas"]) == set(SCHEMAS)


async def test_the_document_needs_no_key_and_is_not_counted():
    """It says nothing that is not in the source."""
    gateway = Gateway(lambda _: response(b"{}"))
    await gateway.request("GET", "/openapi.json")
    assert gateway.ledger.starts == 0
