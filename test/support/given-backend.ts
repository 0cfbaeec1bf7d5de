import { afterTests } from "./clean-up.ts";
import { type SimulatedBackend, startSimulatedBackend } from "./simulated-backend.ts";

type Options = NonNullable<Parameters<typeof startSimulatedBackend>[0]>;

/** A SIMULATED backend that is closed after the tests. */
export async function givenBackend(options: Options = {}): Promise<SimulatedBackend> {
  const backend = await startSimulatedBackend(options);
  afterTests(() => backend.close());
  return backend;
}

/** An address at which nothing listens, until `start()`. */
export async function givenDeadBackend(): Promise<{ readonly baseUrl: string; start(): Promise<SimulatedBackend> }> {
  const { baseUrl, port, close } = await startSimulatedBackend();
  await close();
  return { baseUrl, start: () => givenBackend({ port }) };
}
