import { Pool } from "undici";

/** A client that adds one call per turn of answers and halves its calls at a 429 or 503: what peers do. */
export async function askAdditively(baseUrl: string, forMs: number): Promise<void> {
  const url = new URL(baseUrl);
  const pool = new Pool(url.origin, { connections: null, pipelining: 1 });
  const body = JSON.stringify({ model: "sim", messages: [{ role: "user", content: "Hello" }] });
  const untilMs = performance.now() + forMs;
  let [limit, inFlight] = [4, 0];
  await new Promise<void>((resolve, reject) => {
    function send(): void {
      while (inFlight < Math.floor(limit) && performance.now() < untilMs) {
        inFlight++;
        ask().then(send, reject);
      }
      if (inFlight === 0) resolve();
    }
    async function ask(): Promise<void> {
      const { statusCode, body: answer } = await pool.request({
        path: `${url.pathname}/chat/completions`,
        method: "POST",
        headers: { "content-type": "application/json" },
        body,
      });
      await answer.text();
      inFlight--;
      limit = statusCode === 429 || statusCode === 503 ? Math.max(1, limit / 2) : limit + 1 / limit;
    }
    send();
  });
  await pool.close();
}
