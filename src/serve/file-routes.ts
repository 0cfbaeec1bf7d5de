import { pipeline } from "node:stream/promises";
import busboy from "busboy";
import { type Request, Router } from "express";
import type { ServeContext } from "./context.ts";
import { FileInUse, type FileRecord, type Files, type ReceivedContent } from "./files.ts";
import { callerOf } from "./guard.ts";
import { HttpError } from "./http-error.ts";
import { pageOf, textOf, wordOf } from "./query.ts";

/** As file systems have it: a download names it in a header, and clients take no header without end. */
const longestName = 255;

const purposes = ["batch", "user_data", "assistants", "fine-tune", "vision", "evals"];

/** `/v1/files` as OpenAI has it. */
export function fileRoutes({ files }: ServeContext): Router {
  const routes = Router();

  routes.post("/v1/files", async (request, response) => {
    response.json(fileObject(await receiveUpload(request, files, callerOf(response).name)));
  });

  routes.get("/v1/files", (request, response) => {
    const purpose = textOf(request.query, "purpose");
    const order = wordOf(request.query, "order", ["asc", "desc"]);
    const all = files.list().filter((file) => purpose === undefined || file.purpose === purpose);
    if (order === "asc") all.reverse();
    response.json(pageOf(all, request.query, { most: 10_000, usual: 10_000 }, fileObject));
  });

  routes.get("/v1/files/:id", (request, response) => {
    response.json(fileObject(fileOf(files, request.params.id)));
  });

  routes.get("/v1/files/:id/content", (request, response, next) => {
    const file = fileOf(files, request.params.id);
    response.type("application/octet-stream").set({
      "Content-Disposition": `attachment; filename="${file.id}"; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
      "X-Content-Type-Options": "nosniff",
    });
    response.sendFile(
      files.pathOf(file.id),
      { dotfiles: "allow", lastModified: false, cacheControl: false },
      (error) => {
        if (error !== undefined && error !== null && !response.headersSent) next(error);
      },
    );
  });

  routes.delete("/v1/files/:id", async (request, response) => {
    const { id } = fileOf(files, request.params.id);
    try {
      await files.remove(id);
    } catch (error) {
      if (error instanceof FileInUse) throw new HttpError(409, error.message, { code: "file_in_use" });
      throw error;
    }
    response.json({ id, object: "file", deleted: true });
  });
  return routes;
}

export function fileOf(files: Files, id: string): FileRecord {
  const file = files.get(id);
  if (file === undefined) throw new HttpError(404, `there is no file ${id.slice(0, 100)}`, { code: "file_not_found" });
  return file;
}

export function fileObject(file: FileRecord): Record<string, unknown> {
  return {
    id: file.id,
    object: "file",
    bytes: file.bytes,
    created_at: Math.floor(file.createdAtMs / 1_000),
    ...(file.expiresAtMs === undefined ? {} : { expires_at: Math.floor(file.expiresAtMs / 1_000) }),
    filename: file.filename,
    purpose: file.purpose,
    status: "processed",
    status_details: null,
    sha256: file.sha256,
  };
}

/** The parts of a form come in any order; the file goes to disk as it comes, and is kept once the whole form was right. */
async function receiveUpload(request: Request, files: Files, owner: string): Promise<FileRecord> {
  const fields = new Map<string, string>();
  let filename = "upload";
  let receiving: Promise<ReceivedContent> | undefined;
  const form = openForm(request);
  form.on("field", (name, value) => fields.set(name, value));
  form.on("file", (name, content, { filename: given }) => {
    if (name !== "file" || receiving !== undefined) {
      content.resume();
      return;
    }
    filename = given?.slice(0, longestName).toWellFormed() || filename;
    receiving = files.receive(content);
    // A content that is refused ends the form: nobody has to send the rest.
    receiving.catch((error) => form.destroy(error));
  });
  try {
    await pipeline(request, form);
    if (receiving === undefined) throw new HttpError(400, "expected a part named file in the form", { param: "file" });
    const received = await receiving;
    try {
      return await received.keep({ filename, purpose: purposeOf(fields), owner, expiresAtMs: expiryOf(fields) });
    } catch (error) {
      await received.drop();
      throw error;
    }
  } catch (error) {
    await receiving?.then(
      (received) => received.drop(),
      () => {},
    );
    if (error instanceof HttpError) throw error;
    throw new HttpError(400, "the upload was cut off or is no whole multipart/form-data; send it again");
  }
}

function openForm(request: Request): ReturnType<typeof busboy> {
  try {
    return busboy({
      headers: request.headers,
      defParamCharset: "utf8",
      limits: { files: 1, fields: 20, fieldSize: 10_000, parts: 25 },
    });
  } catch {
    throw new HttpError(400, "expected multipart/form-data with the parts purpose and file");
  }
}

function purposeOf(fields: ReadonlyMap<string, string>): string {
  const purpose = fields.get("purpose");
  if (purpose !== undefined && purposes.includes(purpose)) return purpose;
  throw new HttpError(400, `purpose: expected one of ${purposes.join(", ")}, found ${quoted(purpose)}`, {
    param: "purpose",
  });
}

function expiryOf(fields: ReadonlyMap<string, string>): number | undefined {
  const text = fields.get("expires_after[seconds]");
  if (text === undefined) return undefined;
  const seconds = Number(text);
  if (Number.isSafeInteger(seconds) && seconds >= 3_600 && seconds <= 2_592_000) return Date.now() + seconds * 1_000;
  throw new HttpError(400, `expires_after[seconds]: expected 3600 to 2592000, found ${quoted(text)}`, {
    param: "expires_after",
  });
}

const quoted = (text: string | undefined): string =>
  text === undefined ? "nothing" : JSON.stringify(text.slice(0, 60));
