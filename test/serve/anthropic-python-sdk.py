"""What Anthropic's own Python SDK, unmodified, makes of a server: python anthropic-python-sdk.py URL prints one JSON object."""

import json
import sys
import time

import anthropic

client = anthropic.Anthropic(base_url=sys.argv[1], api_key="none", max_retries=0)
batches = client.messages.batches


def request(custom_id, model="small"):
    message = {"role": "user", "content": f"say something about #{custom_id}"}
    return {"custom_id": custom_id, "params": {"model": model, "max_tokens": 20, "messages": [message]}}


def until_ended(batch_id):
    while True:
        batch = batches.retrieve(batch_id)
        if batch.processing_status == "ended":
            return batch
        time.sleep(0.05)


def refusal_of(call):
    try:
        call()
    except anthropic.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.body["error"]["type"]]
    except anthropic.AnthropicError as error:
        return [type(error).__name__]
    return None


created = batches.create(requests=[request("r0"), request("r1", "claude-haiku-5-5"), request("lost", "nobody")])
ended = until_ended(created.id)
results = [json.loads(result.to_json()) for result in batches.results(created.id)]

slow = batches.create(requests=[request(f"slow{number}") for number in range(20)])
before_the_end = [refusal_of(lambda: batches.delete(slow.id)), refusal_of(lambda: batches.results(slow.id))]
for _ in range(2):
    cancelled = batches.cancel(slow.id)
slow_ended = until_ended(slow.id)
endings = sorted({result.result.type for result in batches.results(slow.id)})

print(
    json.dumps(
        {
            "created": created.processing_status,
            "counts": ended.request_counts.to_dict(),
            "results": results,
            "before_the_end": before_the_end,
            "cancel_initiated": cancelled.cancel_initiated_at is not None,
            "slow_counts": slow_ended.request_counts.to_dict(),
            "endings": endings,
            "listed": [batch.id for batch in batches.list(limit=1)] == [slow.id, created.id],
            "models": [model.id for model in client.models.list(limit=1)],
            "deleted": [batches.delete(one).type for one in (created.id, slow.id)],
            "gone": refusal_of(lambda: batches.retrieve(created.id)),
            "empty": refusal_of(lambda: batches.create(requests=[])),
            "twice": refusal_of(lambda: batches.create(requests=[request("a"), request("a")])),
        }
    )
)
