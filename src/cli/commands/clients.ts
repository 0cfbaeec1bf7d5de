import { type Command, InvalidArgumentError } from "commander";

/** The clients of `serve`. */
export function defineClients(cli: Command, setExitCode: (code: number) => void): void {
  const asksServer = (command: Command): Command =>
    command
      .option("--url <url>", "the server", "http://127.0.0.1:8700")
      .option("--token-file <file>", "a file with its token (else PROMPTFLEET_TOKEN, else the key file)")
      .option("--json", "JSON on stdout", false);

  asksServer(cli.command("submit"))
    .description("Uploads rows to a server and orders a batch of them; prints the batch's id.")
    .argument("<input>", ".jsonl, .jsonl.gz, .csv, or - for stdin: flat rows or OpenAI batch lines")
    .option("--task <name>", "task of rows that name neither task nor model")
    .option("--private", "all rows are private: local tiers only", false)
    .option("--window <duration>", "rows without an answer by then end as expired: 90m, 24h, 7d", "24h")
    .option("--weight <number>", "its part of each tier beside other batches (default: 1)", weight)
    .option("--wait", "show it until it has ended; exit code 2 when some rows failed", false)
    .action(async (input: string, options) => {
      const { submit } = await import("../submit.ts");
      setExitCode(await submit(input, options));
    });

  asksServer(cli.command("status"))
    .description("How far a batch is, or all that have not ended; and of each tier why it waits.")
    .argument("[id]", "a batch")
    .option("--watch", "go on showing it until it has ended", false)
    .action(async (id: string | undefined, options) => {
      const { status } = await import("../status.ts");
      setExitCode(await status(id, options));
    });

  asksServer(cli.command("results"))
    .description("The results of a batch as flat JSON lines; of one that goes on those that are there.")
    .argument("<id>", "a batch")
    .option("-o, --output <file>", "where they go; default: stdout")
    .action(async (id: string, options) => {
      const { results } = await import("../batches.ts");
      setExitCode(await results(id, options));
    });

  asksServer(cli.command("cancel"))
    .description("Ends the rows of a batch that have no result yet.")
    .argument("<id>", "a batch")
    .action(async (id: string, options) => {
      const { cancel } = await import("../batches.ts");
      setExitCode(await cancel(id, options));
    });

  asksServer(cli.command("list"))
    .description("All batches of a server, newest first.")
    .action(async (options) => {
      const { list } = await import("../batches.ts");
      setExitCode(await list(options));
    });

  for (const action of ["pause", "resume"] as const) {
    asksServer(cli.command(action))
      .description(
        action === "pause"
          ? "Has a batch feed nothing, or a tier's queue give nothing out, until it is resumed."
          : "Lets a paused batch or tier go on.",
      )
      .argument("<target>", "a batch, or tier:NAME for the whole fleet")
      .action(async (target: string, options) => {
        const { changePause } = await import("../batches.ts");
        setExitCode(await changePause(target, action, options));
      });
  }
}

function weight(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError("expected a number above 0, for example 2");
  return number;
}
