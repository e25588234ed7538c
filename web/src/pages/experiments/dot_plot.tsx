import { useMemo } from "preact/hooks";
import type { ArmResult, Results } from "../../api/types";
import { ChartFigure } from "../../charts/chart_figure";
import { evenTicks, padRange } from "../../charts/ticks";
import { capitalize, formatMetric, isRising, spellOut } from "../../format";
import { comparedArms, formatMean } from "./words";

const TICKS = 4;
/** More arms are not told one by one. */
const MOST_TOLD = 6;

/** The mean of each arm with its interval, and the values behind it; the numbers are a table behind a key. */
export function DotPlot({ results }: { results: Results }) {
  const { metric, arms, baseline } = results;
  const format = (value: number | null | undefined) => formatMetric(metric, value);
  const range = useMemo(() => rangeOf(arms), [arms]);
  const place = (value: number) => `${(100 * (value - range[0])) / (range[1] - range[0])}%`;
  const level = arms.find((arm) => arm.name === baseline)?.mean;
  if (arms.every((arm) => arm.mean == null)) return null;
  const seeds = [...new Set(arms.flatMap((arm) => Object.keys(arm.values)))];
  const column = (label: string, read: (arm: ArmResult) => number | null | undefined) => ({
    label,
    values: arms.map((arm) => read(arm) ?? null),
  });
  return (
    <ChartFigure
      title={`${capitalize(spellOut(metric))} by arm`}
      x={{
        label: "Arm",
        values: arms.map((_, index) => index),
        format: (index) => arms[index]?.name ?? "",
      }}
      columns={[
        column("mean", (arm) => arm.mean),
        column("interval from", (arm) => arm.interval?.[0]),
        column("to", (arm) => arm.interval?.[1]),
        ...seeds.map((seed) => column(`seed ${seed}`, (arm) => arm.values[seed])),
      ]}
      format={format}
      sentence={describe(results)}
      note={isRising(metric) ? "Further right is better." : "Further left is better."}
    >
      <div class="dots" aria-hidden="true">
        {arms.map((arm) => (
          <div class="dots-row" key={arm.name}>
            <span title={arm.name}>
              <bdi>{arm.name}</bdi>
            </span>
            <svg aria-hidden="true" class={arm.difference?.verdict.replaceAll(" ", "-")}>
              {level != null && <line class="level" x1={place(level)} x2={place(level)} y1="0" y2="100%" />}
              {stack(arm.values, range).map(({ seed, value, level }) => (
                <circle key={seed} class="value" cx={place(value)} cy={20 + 6 * level} r="2.5">
                  <title>
                    seed {seed}: {format(value)}
                  </title>
                </circle>
              ))}
              {arm.interval && (
                <line x1={place(arm.interval[0])} x2={place(arm.interval[1])} y1="11" y2="11" />
              )}
              {arm.mean != null && <circle cx={place(arm.mean)} cy="11" r="5" />}
            </svg>
          </div>
        ))}
        <div class="dots-row">
          <span />
          <span class="dots-scale">
            {evenTicks(...range, TICKS).map((tick) => (
              <span key={tick} style={{ left: place(tick) }}>
                {format(tick)}
              </span>
            ))}
          </span>
        </div>
      </div>
    </ChartFigure>
  );
}

/** Values that would cover each other are drawn below each other. */
function stack(values: ArmResult["values"], [low, high]: readonly [number, number]) {
  const drawn: { seed: string; value: number; level: number }[] = [];
  for (const [seed, value] of Object.entries(values)) {
    const near = drawn.filter((other) => Math.abs(other.value - value) < (high - low) / 100);
    drawn.push({ seed, value, level: Math.min(near.length, 2) });
  }
  return drawn;
}

function rangeOf(arms: readonly ArmResult[]) {
  const shown = arms.flatMap((arm) => [...Object.values(arm.values), ...(arm.interval ?? [])]);
  return padRange(Math.min(...shown), Math.max(...shown), false);
}

function describe(results: Results): string {
  const { arms, metric } = results;
  const compared = comparedArms(results);
  // The best of the trials of a search won by luck too.
  const measured = arms.filter((arm) => arm.mean != null && (!compared || compared.has(arm.name)));
  const told = (arm: ArmResult) => `${arm.name} ${formatMean(metric, arm.mean, arm.interval)}`;
  if (measured.length <= MOST_TOLD) return `${measured.map(told).join("; ")}.`;
  const sign = isRising(metric) ? -1 : 1;
  const ranked = [...measured].sort((one, other) => sign * ((one.mean ?? 0) - (other.mean ?? 0)));
  return `Best of ${measured.length} arms: ${ranked.slice(0, 3).map(told).join("; ")}.`;
}
