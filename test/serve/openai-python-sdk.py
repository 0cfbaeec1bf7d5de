"""OpenAI's client for Python, unmodified, against the server whose URL is given: upload to delete."""

import json
import sys
import time

from openai import NotFoundError, OpenAI

client = OpenAI(base_url=f"{sys.argv[1]}/v1", api_key="none", max_retries=0)


def line(number):
    body = {"model": "small", "messages": [{"role": "user", "content": f"say something about #p{number}"}]}
    return json.dumps({"custom_id": f"p{number}", "method": "POST", "url": "/v1/chat/completions", "body": body})


content = "\n".join(line(number) for number in range(10)).encode()
file = client.files.create(file=("in.jsonl", content), purpose="batch")
assert client.files.retrieve(file.id).bytes == len(content)
assert client.files.content(file.id).read() == content
assert [one.id for one in client.files.list(purpose="batch")] == [file.id]

batch = client.batches.create(
    input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata={"from": "python"}
)
while client.batches.retrieve(batch.id).status not in ("completed", "failed", "expired", "cancelled"):
    time.sleep(0.05)
ended = client.batches.retrieve(batch.id)
assert ended.status == "completed", ended
assert ended.request_counts.completed == 10 and ended.request_counts.failed == 0, ended
assert ended.usage.total_tokens > 0 and ended.metadata == {"from": "python"}, ended
answers = [json.loads(one) for one in client.files.content(ended.output_file_id).text.splitlines()]
assert [one["custom_id"] for one in answers] == [f"p{number}" for number in range(10)]
assert answers[0]["response"]["body"]["choices"][0]["message"]["content"]

other = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
assert [one.id for one in client.batches.list(limit=1)] == [other.id, batch.id]
assert client.batches.list(limit=1).has_more
while client.batches.retrieve(other.id).status != "completed":
    time.sleep(0.05)

assert "small" in [model.id for model in client.models.list()]
assert client.models.retrieve("small").owned_by == "lab"
assert client.files.delete(file.id).deleted
try:
    client.files.retrieve(file.id)
    raise AssertionError("the file is still there")
except NotFoundError as error:
    assert error.code == "file_not_found", error
try:
    client.batches.cancel("batch_" + "0" * 32)
    raise AssertionError("an unknown batch was cancelled")
except NotFoundError as error:
    assert error.code == "batch_not_found", error

third = client.files.create(file=("slow.jsonl", line("-slow").encode()), purpose="batch")
slow = client.batches.create(input_file_id=third.id, endpoint="/v1/chat/completions", completion_window="24h")
assert client.batches.cancel(slow.id).status in ("cancelling", "cancelled")
while client.batches.retrieve(slow.id).status != "cancelled":
    time.sleep(0.05)
print("all well")
