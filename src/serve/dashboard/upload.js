import { ask, send } from "./ask.js";
import { byId, make, say, set } from "./elements.js";
import { bytes } from "./format.js";

/* A file becomes a batch. */

const usualEndpoint = "/v1/chat/completions";
const mostOfFirstLine = 4_000_000;

/** The first line says what the file is; the server checks all of them. */
async function lookInto(file) {
  const text = await file.slice(0, mostOfFirstLine).text();
  const line = text.split("\n", 1)[0].trim();
  if (file.size === 0 || line === "") return { error: "the file is empty, or its first line is." };
  let first;
  try {
    first = JSON.parse(line);
  } catch {
    return { error: "its first line is no JSON. One JSON object a line is expected (JSONL)." };
  }
  if (first === null || typeof first !== "object" || Array.isArray(first)) {
    return { error: "its first line is no JSON object. One object a line is expected (JSONL)." };
  }
  if (typeof first.url === "string") return { endpoint: first.url, kind: `lines for ${first.url}` };
  if ("prompt" in first || "messages" in first) return { endpoint: usualEndpoint, kind: "rows with prompts" };
  return { error: 'its first line has neither "prompt" nor "messages", and is no line of OpenAI\'s batch API.' };
}

export function makeUpload() {
  const form = byId("upload");
  const input = byId("file");
  const offer = byId("offer");
  const order = byId("order");
  const sent = byId("sent");
  const start = form.querySelector("[type=submit]");
  const note = byId("upload-note");
  let chosen;
  let sending;

  function tell(text, isBad = false) {
    say(note, text);
    set(note, "class", isBad ? "bad" : undefined);
  }

  function reset() {
    sending?.abort();
    chosen = sending = undefined;
    input.value = "";
    offer.hidden = false;
    order.hidden = true;
    sent.hidden = true;
    start.disabled = false;
  }

  async function choose(file) {
    reset();
    tell("");
    const found = await lookInto(file);
    if (found.error !== undefined) return tell(`${file.name} cannot be used: ${found.error}`, true);
    chosen = { file, ...found };
    byId("chosen").replaceChildren(make("strong", {}, file.name), ` · ${bytes(file.size)} · ${found.kind}`);
    offer.hidden = true;
    order.hidden = false;
    start.focus();
  }

  async function submit() {
    const { file, endpoint } = chosen;
    const completionWindow = byId("window").value;
    const isPrivate = byId("private").checked;
    const content = new FormData();
    content.append("purpose", "batch");
    content.append("file", file, file.name);
    sending = new AbortController();
    start.disabled = true;
    sent.hidden = false;
    tell("Uploading…");
    const { answer, error } = await send(
      "v1/files",
      content,
      (share) => {
        sent.value = share;
      },
      sending.signal,
    );
    if (error === "stopped") return tell("");
    if (error !== undefined) return failed(error);
    const made = await ask("v1/batches", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({
        input_file_id: answer.id,
        endpoint,
        completion_window: completionWindow,
        ...(isPrivate ? { metadata: { private: "true" } } : {}),
      }),
    });
    if (made.error !== undefined) return failed(made.error);
    reset();
    tell(`${file.name} is on its way.`);
    byId("batches").focus({ preventScroll: true });
  }

  function failed(why) {
    start.disabled = false;
    sent.hidden = true;
    tell(`It could not be started: ${why}`, true);
  }

  input.addEventListener("change", () => input.files[0] && void choose(input.files[0]));
  byId("discard").addEventListener("click", () => {
    reset();
    tell("");
    input.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (chosen !== undefined && !start.disabled) void submit();
  });

  // A file may be dropped anywhere on the page; the browser would else show it instead of the page.
  const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    if (!form.hidden) document.body.classList.add("dragging");
  });
  addEventListener("dragleave", (event) => {
    if (event.relatedTarget === null) document.body.classList.remove("dragging");
  });
  addEventListener("drop", (event) => {
    document.body.classList.remove("dragging");
    if (!hasFile(event)) return;
    event.preventDefault();
    const file = event.dataTransfer.files[0];
    if (file !== undefined && !form.hidden && sending === undefined) void choose(file);
  });
  return {
    show: (isOffered) => {
      form.hidden = !isOffered;
    },
  };
}
