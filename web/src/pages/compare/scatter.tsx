import { changeView } from "../../address";
import type { Run } from "../../api/types";
import { makeScale } from "../../charts/scale";
import { evenTicks } from "../../charts/ticks";
import { formatMetric, formatNumber, shorten, spellOut } from "../../format";
import { isEqual, type Json } from "../../json";
import { Choice } from "./curves";
import { type Defaults, fieldValue, valueText } from "./fields";
import type { Styles } from "./lines";
import { areNumbers, bestMetrics } from "./ranking";

const SIZE = { width: 640, height: 280, left: 64, right: 16, top: 12, bottom: 40 };

interface Props {
  runs: readonly Run[];
  fields: readonly string[];
  chosen: string;
  metric: string;
  defaults: Defaults;
  labels: ReadonlyMap<string, string>;
  styles: Styles;
}

/** A field of the recipe against the best metric: a point for each run. */
export function Scatter({ runs, fields, chosen, metric, defaults, labels, styles }: Props) {
  const field = fields.includes(chosen)
    ? chosen
    : (fields.find((name) => name !== "seed") ?? fields[0] ?? "");
  const points = runs.flatMap((run) => {
    const y = bestMetrics(run)[metric];
    return typeof y === "number" ? [{ run, value: fieldValue(run, field), y }] : [];
  });
  if (!field || points.length < 2) return null;
  const text = (value: Json) => valueText(value, defaults);
  const x = xAxis(
    points.map((point) => point.value),
    text,
  );
  const y = yAxis(points.map((point) => point.y));
  const format = (value: number) => formatMetric(metric, value);
  return (
    <section class="card">
      <div class="heading">
        <h2>A field against the best {spellOut(metric)}</h2>
        <Choice
          title="Field"
          selected={field}
          options={fields.map((name) => [name, name])}
          onSelect={(scatter) => changeView({ scatter })}
        />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a part that scrolls must be reachable by keyboard */}
      <section class="scroll" tabIndex={0} aria-label="A field against the best metric">
        <svg
          class="scatter"
          viewBox={`0 0 ${SIZE.width} ${SIZE.height}`}
          role="img"
          aria-label={`${field} against ${spellOut(metric)}; the table above has the numbers`}
        >
          {y.ticks.map((tick) => (
            <g key={tick}>
              <line
                class="grid"
                x1={SIZE.left}
                x2={SIZE.width - SIZE.right}
                y1={y.at(tick)}
                y2={y.at(tick)}
              />
              <text x={SIZE.left - 8} y={y.at(tick) + 4} text-anchor="end">
                {format(tick)}
              </text>
            </g>
          ))}
          {x.ticks.map(({ label, at }) => (
            <text key={label} x={at} y={SIZE.height - 20} text-anchor="middle">
              {label}
            </text>
          ))}
          <text x={(SIZE.left + SIZE.width - SIZE.right) / 2} y={SIZE.height - 4} text-anchor="middle">
            {field}
          </text>
          {points.map(({ run, value, y: best }) => (
            <circle
              key={run.id}
              cx={x.at(value)}
              cy={y.at(best)}
              r="5"
              style={{ fill: styles(run.id).color }}
            >
              <title>
                {labels.get(run.id)}: {field} {text(value)}, {spellOut(metric)} {format(best)}
              </title>
            </circle>
          ))}
        </svg>
      </section>
    </section>
  );
}

interface XScale {
  at: (value: Json) => number;
  ticks: { label: string; at: number }[];
}

/** Numbers have a linear axis; all other values stand side by side in the order of their first appearance. */
function xAxis(values: readonly Json[], text: (value: Json) => string): XScale {
  const inner = SIZE.width - SIZE.left - SIZE.right;
  if (areNumbers(values)) {
    const { at, ticks } = linear(values as number[], SIZE.left + 12, SIZE.width - SIZE.right - 12, 8);
    return {
      at: (value) => at(value as number),
      ticks: ticks.map((tick) => ({ label: formatNumber(tick), at: at(tick) })),
    };
  }
  const distinct = values.filter(
    (value, index) => values.findIndex((each) => isEqual(each, value)) === index,
  );
  const step = inner / distinct.length;
  const at = (value: Json) => SIZE.left + step * (distinct.findIndex((each) => isEqual(each, value)) + 0.5);
  return {
    at,
    ticks: distinct.map((value) => ({
      // About 7 pixels a letter.
      label: shorten(text(value), Math.max(Math.floor(step / 7), 3)),
      at: at(value),
    })),
  };
}

function yAxis(values: readonly number[]) {
  return linear(values, SIZE.height - SIZE.bottom - 8, SIZE.top + 8, 6);
}

function linear(values: readonly number[], start: number, end: number, most: number) {
  const low = Math.min(...values);
  const high = Math.max(...values);
  return {
    at: makeScale([low, high], [start, end], false).toPixel,
    ticks: evenTicks(low, high === low ? low + 1 : high, most).filter((tick) => tick >= low && tick <= high),
  };
}
