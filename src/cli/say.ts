/** One line for the user; stdout is for data. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}
