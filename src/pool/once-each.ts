/** Does something once for each name, however often it is asked to; once more when it could not be done. */
export function onceEach(action: (name: string) => Promise<void>): (name: string) => Promise<void> {
  const begun = new Map<string, Promise<void>>();
  return (name) => {
    let doing = begun.get(name);
    if (doing === undefined) {
      doing = action(name);
      begun.set(name, doing);
      doing.catch(() => begun.delete(name));
    }
    return doing;
  };
}
