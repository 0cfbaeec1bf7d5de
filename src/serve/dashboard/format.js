/* Numbers and times as people read them. */

const whole = new Intl.NumberFormat("en");
const brief = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const count = (value) => whole.format(value);
/** Large numbers in few letters. */
export const short = (value) => (value < 100_000 ? whole.format(value) : brief.format(value));

export function perSecond(rate) {
  if (rate === 0) return "0";
  if (rate < 0.1) return rate.toFixed(2);
  return rate < 10 ? rate.toFixed(1) : short(Math.round(rate));
}

export function usd(amount) {
  if (amount === 0) return "$0";
  return amount >= 0.1 ? `$${amount.toFixed(2)}` : `$${Number(amount.toPrecision(2))}`;
}

export const percent = (share) => `${Math.floor(share * 100)} %`;

export function bytes(size) {
  if (size < 1_000) return `${size} B`;
  if (size < 1e6) return `${Math.round(size / 1e3)} KB`;
  return size < 1e9 ? `${(size / 1e6).toFixed(size < 1e7 ? 1 : 0)} MB` : `${(size / 1e9).toFixed(1)} GB`;
}

export function duration(ms) {
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} days`;
}

export function ago(atMs) {
  const ms = Date.now() - atMs;
  return ms < 5_000 ? "just now" : `${duration(ms)} ago`;
}

export const moment = (atMs) => new Date(atMs).toLocaleString();
