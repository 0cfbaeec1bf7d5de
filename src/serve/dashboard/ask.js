/* Requests to this server. */

/** @returns the answer's JSON, or why there is none, in words. */
export async function ask(path, options) {
  try {
    const response = await fetch(path, { credentials: "same-origin", ...options });
    return readAnswer(response.status, await response.text());
  } catch {
    return { error: "the server cannot be reached" };
  }
}

/** The same with the share that was sent so far, which `fetch` does not tell. */
export function send(path, form, onProgress, signal) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", path);
    request.upload.addEventListener("progress", ({ loaded, total }) => onProgress(total > 0 ? loaded / total : 0));
    request.addEventListener("load", () => resolve(readAnswer(request.status, request.responseText)));
    request.addEventListener("error", () => resolve({ error: "the server cannot be reached, or refused the file" }));
    request.addEventListener("abort", () => resolve({ error: "stopped" }));
    signal.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

function readAnswer(status, text) {
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    return { error: `the server answered with status ${status}` };
  }
  if (status < 300) return { answer };
  return { error: answer?.error?.message ?? `the server answered with status ${status}` };
}
