"""A session of the official MCP client for Python: python-sdk.py http URL | stdio FOLDER PROGRAM ARGS…"""

import asyncio
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client


async def talk(session: ClientSession) -> None:
    server = await session.initialize()
    assert server.server_info.name == "promptfleet", server
    tools = [tool.name for tool in (await session.list_tools()).tools]
    assert tools[:2] == ["list_models", "ask"] and len(tools) == 9, tools
    seen: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append(done)

    async def call(name: str, given: dict) -> dict:
        result = await session.call_tool(name, given, progress_callback=progress)
        assert not result.is_error, result.content
        return result.structured_content

    listed = await call("list_models", {})
    assert [model["alias"] for model in listed["models"]] == ["small", "twin"], listed
    answer = await call("ask", {"prompt": "What is #1"})
    assert answer["text"] == "answer to 1" and answer["cost_usd"] == 0, answer
    both = await call("ask_parallel", {"prompt": "What is #2", "models": ["small", "twin"]})
    assert [one["text"] for one in both["answers"]] == ["answer to 2"] * 2, both
    agreed = await call("consensus", {"prompt": "What is #3", "models": ["small", "twin"], "threshold": 1})
    assert agreed["consensus"]["state"] == "agreed", agreed

    rows = {"rows": [{"id": f"r{at}", "prompt": f"about #r{at}"} for at in range(20)]}
    assert (await call("plan", rows))["rows"] == 20
    batch = await call("submit_batch", rows)
    seen.clear()
    status = await call("batch_status", {"id": batch["id"], "wait_s": 60})
    assert (status["status"], status["answered"]) == ("completed", 20), status
    assert seen and seen == sorted(seen), seen
    page = await call("batch_results", {"id": batch["id"], "offset": 5, "limit": 2})
    assert [row["text"] for row in page["results"]] == ["answer to r5", "answer to r6"], page
    assert (await call("cancel_batch", {"id": batch["id"]}))["status"] == "completed"
    resources = (await session.list_resources()).resources
    assert [str(one.uri) for one in resources] == [batch["uri"]], resources

    refused = await session.call_tool("ask", {"prompt": 7})
    assert refused.is_error and "expected" in refused.content[0].text, refused


async def main(kind: str, where: str, *command: str) -> None:
    if kind == "http":
        transport = streamable_http_client(where)
    else:
        transport = stdio_client(StdioServerParameters(command=command[0], args=list(command[1:]), cwd=where))
    async with transport as streams:
        async with ClientSession(streams[0], streams[1]) as session:
            await talk(session)
    print("all well")


asyncio.run(main(*sys.argv[1:]))
