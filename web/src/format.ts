/** Numbers, times and counts as text. */

const FEW_DIGITS = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const PERCENT = new Intl.NumberFormat("en", {
  style: "percent",
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
  // A small negative number is shown as 0.0%, not as -0.0%.
  signDisplay: "negative",
});
const PLURAL = new Intl.PluralRules("en");
const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const MISSING = "–";

/** Returns a number with four significant digits; very small and very large ones in scientific notation. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return MISSING;
  if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e7)) return value.toExponential(2);
  return FEW_DIGITS.format(value);
}

/** Returns the value of a metric: accuracies and other shares in percent, all else as a number. */
export function formatMetric(name: string, value: number | null | undefined): string {
  if (value === null || value === undefined) return MISSING;
  return isShare(name) ? PERCENT.format(value) : formatNumber(value);
}

/** Whether a metric is a share of 1, such as an accuracy or an error rate. */
export function isShare(name: string): boolean {
  return /(^|_)accuracy$/.test(name);
}

/** Whether a larger value of a metric is better. */
export function isRising(name: string): boolean {
  return /(accuracy|r2|f1|auroc)$/.test(name);
}

/** Returns `validation loss` for `validation_loss`. */
export function spellOut(name: string): string {
  return name.replaceAll("_", " ");
}

export function capitalize(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** Returns a text with a capital letter at its beginning and a stop at its end. */
export function sentence(text: string): string {
  return capitalize(/[.!?]$/.test(text) ? text : `${text}.`);
}

/** Returns a text that has at most so many letters. */
export function shorten(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}

export function formatWhole(value: number): string {
  return WHOLE.format(value);
}

/** Returns `1 run` or `12 runs`. */
export function count(value: number, one: string, other: string = `${one}s`): string {
  return `${WHOLE.format(value)} ${PLURAL.select(value) === "one" ? one : other}`;
}

/** Returns seconds as `0.4 s`, `12 s`, `3 min 20 s` or `2 h 5 min`. */
export function formatSeconds(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) return MISSING;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${WHOLE.format(Math.floor(minutes / 60))} h ${minutes % 60} min`;
}

/** Returns bytes as `348 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), units.length - 1);
  return `${FEW_DIGITS.format(Math.round((bytes / 1024 ** power) * 10) / 10)} ${units[power]}`;
}

/** Returns `5 minutes ago`. */
export function formatAgo(time: string, now: number = Date.now()): string {
  const seconds = (Date.parse(time) - now) / 1000;
  const steps: [Intl.RelativeTimeFormatUnit, number][] = [
    ["day", 86_400],
    ["hour", 3600],
    ["minute", 60],
  ];
  const [unit, size] = steps.find(([, each]) => Math.abs(seconds) >= each) ?? ["second", 1];
  return RELATIVE.format(Math.round(seconds / size), unit);
}

/** Whether a text has all the words of a filter, in any order. */
export function hasWords(parts: readonly unknown[], filter: string): boolean {
  const text = parts.join(" ").toLowerCase();
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}
