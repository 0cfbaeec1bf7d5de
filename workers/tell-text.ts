/** Tells a text that grows, as far as it is sure to stay. */
export interface Teller {
  grown(text: string): void;
  /** Tells the rest. */
  ended(text: string): void;
}

/** @param heldBack characters at the end that may turn out to be a mark of the end, and then are no text. */
export function createTeller(onText: ((delta: string) => void) | undefined, heldBack: number): Teller {
  let told = "";
  function tell(sure: string): void {
    if (sure.length <= told.length || !sure.startsWith(told)) return;
    const delta = sure.slice(told.length);
    told = sure;
    onText?.(delta);
  }
  return {
    grown(text) {
      // A character whose bytes have not all come yet is shown as this one.
      const whole = text.replace(/\uFFFD+$/, "");
      tell(whole.slice(0, Math.max(0, whole.length - heldBack)));
    },
    ended: tell,
  };
}
