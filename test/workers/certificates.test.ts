import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readVariable } from "../../src/config/environment.ts";
import { dialects } from "../conformance/dialects.ts";
import { selfSignedCertificate } from "../support/certificate.ts";
import { type SimulatedProxy, startSimulatedProxy } from "../support/simulated-proxy.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const program = fileURLToPath(new URL("../support/ask-cloud.ts", import.meta.url));
let server: Server;
let proxy: SimulatedProxy;
let certificatePath: string;
beforeAll(async () => {
  const { certificate, key } = selfSignedCertificate("api.example.test");
  certificatePath = join(temporaryFolder(), "authority.pem");
  writeFileSync(certificatePath, certificate);
  server = createServer({ cert: certificate, key }, (request, response) => {
    const dialect = request.url === dialects.anthropic!.chatPath ? dialects.anthropic! : dialects.openai!;
    request.resume().on("end", () => response.end(dialect.answer("ok")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  proxy = await startSimulatedProxy((server.address() as AddressInfo).port);
});
afterAll(async () => {
  await proxy.close();
  await new Promise((resolve) => server.close(resolve));
});

async function ask(provider: string, variables: Record<string, string>): Promise<unknown> {
  const baseUrl = provider === "anthropic" ? "https://api.example.test" : "https://api.example.test/v1";
  const env = { PATH: readVariable("PATH"), HTTPS_PROXY: `http://${proxy.address}`, ...variables };
  const { stdout } = await promisify(execFile)(process.execPath, [program, provider, baseUrl], { env });
  return JSON.parse(stdout);
}

it.concurrent.each(["anthropic", "openai", "openai-compatible"])(
  "%s trusts the authorities that NODE_EXTRA_CA_CERTS names, through a proxy as well",
  async (provider) => {
    expect(await ask(provider, { NODE_EXTRA_CA_CERTS: certificatePath })).toMatchObject({
      kind: "answered",
      answer: { text: "ok" },
    });
    expect(proxy.asked.map(({ what }) => what)).toContain("CONNECT api.example.test:443");
  },
);

it.concurrent.each(["anthropic", "openai"])("%s trusts no certificate that signs itself", async (provider) => {
  expect(await ask(provider, {})).toMatchObject({
    kind: "unreachable",
    message: expect.stringContaining("its certificate is self-signed; NODE_EXTRA_CA_CERTS"),
  });
});
