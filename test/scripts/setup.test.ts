import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const pieces = join(import.meta.dirname, "../../scripts/setup");

/** A checkout of its own, in a path with a space. */
let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "promptfleet set-up "));
  write("package.json", '{\n  "engines": {\n    "node": ">=22.12"\n  }\n}\n');
});
afterEach(() => rmSync(root, { recursive: true }));

function write(file: string, content: string, mode = 0o644): string {
  const path = join(root, file);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

/** A program that says which version it is and nothing else. */
function programOfVersion(file: string, text: string): string {
  return dirname(write(file, `#!/bin/sh\necho "${text}"\n`, 0o755));
}

const prelude = (names: readonly string[]): string =>
  ["set -euo pipefail", `root=${JSON.stringify(root)}`, ...names.map((name) => `source "${pieces}/${name}.sh"`)].join(
    "\n",
  );

/** Runs `script` after these pieces, with a PATH of the plain system programs behind `path`. */
function bash(names: readonly string[], script: string, env: Record<string, string> = {}) {
  const { status, stdout, stderr } = spawnSync("bash", ["-c", `${prelude(names)}\n${script}`], {
    encoding: "utf8",
    env: { PATH: "/usr/bin:/bin", HOME: root, ...env },
  });
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

describe("versions", () => {
  it.each([
    ["7.0.15", "yes"],
    ["v24.21.0", "yes"],
    ["7.1", "yes"],
    ["6.2.16", "no"],
    ["10.0.0", "yes"],
    ["", "no"],
    ["unknown", "no"],
  ])("takes %s as new enough for 7.0: %s", (version, answer) => {
    expect(bash(["common"], `if at_least "${version}" 7 0; then echo yes; else echo no; fi`).stdout).toBe(answer);
  });
});

describe("redis", () => {
  const find = 'if find_redis; then echo "$redis"; else echo none; fi';

  it("takes a redis-server of 7 on PATH", () => {
    const folder = programOfVersion("new/redis-server", "Redis server v=7.2.4 sha=00000000:0 malloc=libc bits=64");
    const { stdout } = bash(["common", "packages", "redis"], find, { PATH: `${folder}:/usr/bin:/bin` });
    expect(stdout).toBe(join(folder, "redis-server"));
  });

  it("takes valkey-server where redis-server is too old, and puts it where the program looks", () => {
    programOfVersion("old/redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=libc bits=64");
    const folder = programOfVersion("old/valkey-server", "Valkey server v=8.0.1 sha=00000000:0 malloc=libc bits=64");
    const { stdout } = bash(["common", "packages", "redis"], 'ensure_redis; "$tools/bin/redis-server" --version', {
      PATH: `${folder}:/usr/bin:/bin`,
    });
    expect(stdout).toContain("Valkey server v=8.0.1");
  });

  it("says what is missing when nothing can be installed", () => {
    programOfVersion("old/redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=libc bits=64");
    const script = `redis_from_package_manager() { return 1; }; redis_from_wheel() { return 1; }; find_redis() { return 1; }
      ensure_redis`;
    const { status, stderr } = bash(["common", "packages", "redis"], script, {
      PATH: `${join(root, "old")}:/usr/bin:/bin`,
    });
    expect(status).toBe(1);
    expect(stderr).toContain("Expected redis-server 7.0 or newer (or valkey-server 7.2), found 6.0.16");
  });

  it("never asks for sudo without a terminal", () => {
    programOfVersion("bin/sudo", "asked");
    const script = "id() { echo 1000; }; if may_install Redis apt-get; then echo may; else echo may not; fi";
    const { stdout } = bash(["common", "packages", "redis"], script, { PATH: `${join(root, "bin")}:/usr/bin:/bin` });
    expect(stdout).toBe("may not");
  });
});

describe("a Chromium", () => {
  const names = ["common", "packages", "chromium"];
  // Nothing but this folder on PATH, so that a Chromium of this machine is out of sight.
  const findIn = (folder: string, env = {}) =>
    bash(names, `PATH="${folder}"; if find_chromium; then echo found; else echo none; fi`, env).stdout;

  it("is found by any of its names, and taken for none where it cannot run", () => {
    const stub = write("stub/chromium-browser", "#!/bin/sh\necho 'Chromium needs a snap' >&2\nexit 1\n", 0o755);
    const chrome = programOfVersion("real/google-chrome", "Google Chrome 156.0.8078.79");
    expect(findIn(dirname(stub))).toBe("none");
    expect(findIn(chrome)).toBe("found");
    expect(findIn("/nowhere", { PROMPTFLEET_CHROMIUM: join(chrome, "google-chrome") })).toBe("found");
  });

  it("fails no tests where there is none and none can be had", () => {
    const script = `find_chromium() { return 1; }; from_package_manager() { return 1; }; npm() { return 1; }
      ensure_chromium; echo goes on`;
    const { stdout, stderr } = bash(names, script);
    expect(stdout).toBe("goes on");
    expect(stderr).toContain("There is no Chromium here and none could be installed");
  });

  it("refuses a package with other bytes", () => {
    const script = `node=true; npm() { echo other >"$workspace/pack/package.tgz"; }
      if chromium_from_npm; then echo taken; else echo refused; fi; ls "$tools"`;
    expect(bash(names, script).stdout).toMatch(/^refused\nwork\.\w+$/);
  });
});

describe("the model", () => {
  it("refuses a file of the right size and kind with other bytes", () => {
    const script = `workspace=; make_workspace; file="$workspace/$model_file"
      printf GGUF >"$file"; model_bytes=4
      if adopt_model "$file"; then echo taken; else echo refused; fi
      model_sha256="$(sha256_of "$file")"
      if adopt_model "$file"; then echo taken; else echo refused; fi`;
    expect(bash(["common", "model"], script).stdout).toBe("refused\ntaken");
    expect(existsSync(join(root, ".tools/models/SmolLM2-135M-Instruct.Q4_1.gguf"))).toBe(true);
  });
});

describe("dist/", () => {
  const fresh = () => bash(["common", "node", "dist"], "if dist_fresh; then echo fresh; else echo stale; fi").stdout;
  const age = (file: string, seconds: number) =>
    utimesSync(join(root, file), Date.now() / 1000 - seconds, Date.now() / 1000 - seconds);

  it("is stale when it is missing, when a source or a Redis script is newer, and when a source was removed", () => {
    const everything = [
      ...["tsconfig.json", "tsconfig.build.json", "package-lock.json", "scripts/setup/bundle.ts"],
      ...["workers/a.ts", "src/pool/a.lua"],
    ];
    for (const file of everything) write(file, "");
    expect(fresh()).toBe("stale");
    write("dist/.built", "");
    for (const file of [...everything, "src", "src/pool", "workers"]) age(file, 100);
    expect(fresh()).toBe("fresh");
    age("src/pool/a.lua", -100);
    expect(fresh()).toBe("stale");
    age("src/pool/a.lua", 100);
    age("dist/.built", 50);
    expect(fresh()).toBe("fresh");
    rmSync(join(root, "workers/a.ts"));
    expect(fresh()).toBe("stale");
  });
});

describe("one set-up at a time", () => {
  it("waits for a set-up that lives and goes on when it ends", async () => {
    const first = spawn("bash", [
      "-c",
      `${prelude(["common"])}\nlock_setup; echo locked; read -r _; clean_up; echo done`,
    ]);
    await once(first.stdout, "data");
    const second = spawn("bash", ["-c", `${prelude(["common"])}\nlock_setup; echo locked`]);
    const [waiting] = await once(second.stderr, "data");
    expect(String(waiting)).toContain(`Waiting for another set-up of this checkout (process ${first.pid}`);
    first.stdin.end("go on\n");
    const [locked] = await once(second.stdout, "data");
    expect(String(locked)).toBe("locked\n");
    await once(second, "close");
    expect(existsSync(join(root, ".tools/setup.lock"))).toBe(false);
  });

  it("takes over from a set-up whose process is gone", () => {
    const gone = execFileSync("bash", ["-c", "echo $$"], { encoding: "utf8" }).trim();
    write(".tools/setup.lock/process", gone);
    expect(bash(["common"], "lock_setup; echo locked").stdout).toBe("locked");
  });

  it("shows why a command failed and leaves nothing behind", () => {
    const script = 'logged bash -c "echo chatter; echo Error: no network >&2; exit 3" || echo "status $?"';
    expect(bash(["common"], script)).toEqual({ status: 0, stdout: "status 3", stderr: "Error: no network" });
    expect(execFileSync("ls", ["-A", join(root, ".tools")], { encoding: "utf8" })).toBe("");
  });
});

describe("what else could answer", () => {
  const keyPlace = 'key_place OPENAI_API_KEY || echo "no key"';

  it("finds a key and says where it is, not what it is", () => {
    expect(bash(["common", "offers"], keyPlace).stdout).toBe("no key");
    const file = write(".config/promptfleet/env", "# keys\nexport OPENAI_API_KEY='sk-secret'\n");
    expect(bash(["common", "offers"], keyPlace).stdout).toBe(file);
    expect(bash(["common", "offers"], keyPlace, { OPENAI_API_KEY: "sk-secret" }).stdout).toBe("the environment");
  });

  it("takes an empty key of the template for none", () => {
    write(".config/promptfleet/env", "OPENAI_API_KEY=\n");
    expect(bash(["common", "offers"], keyPlace).stdout).toBe("no key");
  });

  it("reads the models of Ollama and of vLLM", () => {
    const ollama = '{"models":[{"name":"llama3.2:latest","model":"llama3.2:latest"},{"name":"qwen3:8b"}]}';
    expect(bash(["common", "offers"], `ids_in name <<<'${ollama}'`).stdout).toBe("llama3.2:latest\nqwen3:8b");
    const vllm = '{"object": "list", "data": [{"id": "org/model", "object": "model"}]}';
    expect(bash(["common", "offers"], `ids_in id <<<'${vllm}'`).stdout).toBe("org/model");
  });
});

it("keeps to what bash 3.2 and BSD tools know", () => {
  const files = readdirSync(pieces)
    .filter((name) => name.endsWith(".sh"))
    .map((name) => join(pieces, name));
  const scripts = ["promptfleet", "quickstart", "test", "setup/build"].map((name) => join(pieces, "..", name));
  for (const file of [...files, ...scripts]) {
    const source = readFileSync(file, "utf8").replace(/^\s*#.*$/gm, "");
    const unknown =
      /\b(?:mapfile|readarray|declare -A|local -n|readlink -f|realpath|sort -V|sed -i|stat -c|date -d|(?<!-)timeout \d)|\$\{\w+(?:,,|\^\^)|&>>|\|&/;
    expect(source.match(unknown)?.[0], file).toBeUndefined();
  }
});
