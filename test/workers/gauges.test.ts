import { expect, test } from "vitest";
import { readGauges } from "../../workers/gauges.ts";

test("reads what vLLM says of its queue, and not its numbers by reason", () => {
  const text = [
    "# HELP vllm:num_requests_running Number of requests in model execution batches.",
    "# TYPE vllm:num_requests_running gauge",
    'vllm:num_requests_running{engine="0",model_name="m"} 12.0',
    'vllm:num_requests_running{engine="1",model_name="m"} 4.0',
    'vllm:num_requests_waiting{engine="0",model_name="m"} 3.0',
    'vllm:num_requests_waiting_by_reason{engine="0",model_name="m",reason="capacity"} 100.0',
  ].join("\n");
  expect(readGauges(text)).toEqual({ running: 16, waiting: 3 });
});

test("reads what llama.cpp's server says", () => {
  const text =
    "# TYPE llamacpp:requests_processing gauge\nllamacpp:requests_processing 4\nllamacpp:requests_deferred 2\n";
  expect(readGauges(text)).toEqual({ running: 4, waiting: 2 });
});

test("does not take another program's numbers for a queue", () => {
  expect(readGauges("# TYPE api_call histogram\napi_call_count 7\n")).toBe("none");
  expect(readGauges("<!doctype html>")).toBe("none");
});
