import { capitalize, spellOut } from "../format";

/** Codes that do not read well as they are. */
const TITLES: Readonly<Record<string, string>> = {
  non_finite: "Not finite",
  best_is_first_epoch: "First epoch was best",
  cancelled_by_user: "Cancelled",
  internal: "Internal error",
};

/** Returns what a verdict is called where there is no room for its message. */
export function verdictTitle(code: string): string {
  return TITLES[code] ?? capitalize(spellOut(code));
}
