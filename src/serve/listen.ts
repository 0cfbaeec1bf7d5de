import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { messageOf, UserError } from "../job/errors.ts";

/** Listens there, and resolves with the URL. @throws UserError, with the mend, when it cannot. */
export async function listen(
  http: Server,
  { host, port }: { readonly host: string; readonly port: number },
  mend: string,
): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    http.once("error", (error) => {
      reject(new UserError(`cannot listen on ${host}:${port}: ${messageOf(error)}; ${mend}`));
    });
    http.listen(port, host, resolve);
  });
  const { port: bound } = http.address() as AddressInfo;
  return `http://${host.includes(":") ? `[${host}]` : host}:${bound}`;
}
