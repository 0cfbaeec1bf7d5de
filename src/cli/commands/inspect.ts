import type { Command } from "commander";
import { collect, oneOf, rowIndex } from "../option-values.ts";

/** `audit`, `doctor`, `models` and `init`: what is there, and what was. */
export function defineInspect(cli: Command, setExitCode: (code: number) => void): void {
  const audit = cli
    .command("audit")
    .description("Who was sent what: one line for each call that left, from the audit of the data directory.")
    .option("--batch <id>", "of one batch")
    .option("--row <index>", "of one row, by its index in the output", rowIndex)
    .option("--model <name>", "to one model: an alias or a provider's id")
    .option("--tier <name>", "to one tier")
    .option("--private", "of private rows")
    .option("--location <location>", "to local or to cloud tiers", oneOf("local", "cloud"))
    .option("--since <time>", "from 2026-11-24, 2026-11-24T09:00Z, or 2h or 3d ago")
    .option("--data-dir <dir>", "the data directory (else PROMPTFLEET_DATA_DIR, else one per user)")
    .option("--json", "the records as JSON lines", false)
    .action(async (options) => {
      const { audit } = await import("../audit.ts");
      setExitCode(await audit(options));
    });
  audit
    .command("verify")
    .description("Finds whatever was edited, cut off or removed; exits 0 when the audit is whole, else 2.")
    .option("--head <head>", 'an "audit_head" of a run\'s summary that must be there; may be repeated', collect, [])
    .option("--config <file>", "models.json that names the fleet")
    .option("--fleet <name>", "fleet whose Redis knows where chains end")
    .option("--redis <url>", "the fleet's Redis (else REDIS_URL, else the embedded one)")
    .option("--data-dir <dir>", "the data directory (else PROMPTFLEET_DATA_DIR, else one per user)")
    .option("--json", "the verdict as JSON", false)
    .action(async (_options, command: Command) => {
      const { auditVerify } = await import("../audit-verify.ts");
      setExitCode(await auditVerify(command.optsWithGlobals()));
    });

  const reads = (command: Command): Command =>
    command
      .option("--config <file>", "models.json to use (else PROMPTFLEET_CONFIG, ./promptfleet.json, the packaged one)")
      .option("--fleet <name>", "fleet to look at")
      .option("--redis <url>", "the fleet's Redis (else REDIS_URL, else the embedded one while it runs)")
      .option("--data-dir <dir>", "where the embedded Redis lives (else PROMPTFLEET_DATA_DIR, else one per user)")
      .option("--json", "one JSON object on stdout", false);

  reads(cli.command("doctor"))
    .description(
      "Says of every tier, Redis and this machine what is wrong and what mends it; 2 when there is a problem.",
    )
    .option("--probe", "also time a call of one token at every tier; may cost a fraction of a cent", false)
    .action(async (options) => {
      const { doctor } = await import("../doctor.ts");
      setExitCode(await doctor(options));
    });

  reads(cli.command("models"))
    .description("The models of the config, and whether each can be used now.")
    .option("--why <task>", "the models of a task in the order in which rows get them, and why")
    .action(async (options) => {
      const { models } = await import("../models.ts");
      setExitCode(await models(options));
    });

  cli
    .command("init")
    .description("Writes ./promptfleet.json from what is found: servers on this machine, keys.")
    .option("--server <url>", "look here instead of at the usual ports of this machine; may be repeated", collect, [])
    .option("--force", "overwrite a promptfleet.json that is there", false)
    .option("--json", "one JSON object on stdout", false)
    .action(async (options) => {
      const { init } = await import("../init.ts");
      setExitCode(await init(options));
    });
}
