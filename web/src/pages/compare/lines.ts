/** The lines of the chart: one for each run, or one for each group with its spread. */

import type { Run } from "../../api/types";
import { alignSeries } from "../../charts/align";
import type { Axis, Line } from "../../charts/types";
import { count } from "../../format";
import type { Style } from "../../runs/colors";
import type { Columns } from "../../runs/columns";
import { axisOf, epochPositions, type XAxis } from "../../runs/positions";
import { type Group, spreadOf } from "./ranking";

export interface Chart {
  x: Axis;
  lines: Line[];
}

interface Curve {
  id: string;
  label: string;
  epochs: Columns;
}

export type Styles = (id: string) => Style;

export function runLines(curves: readonly Curve[], metric: string, kind: XAxis, styles: Styles): Chart {
  const drawn = curves.filter(({ epochs }) => epochs.epoch?.length);
  const { x, y } = alignSeries(
    drawn.map(({ epochs }) => ({ x: epochPositions(kind, epochs), y: epochs[metric] ?? [] })),
  );
  return {
    x: axisOf(kind, x),
    lines: drawn.map(({ id, label }, index) => ({
      id,
      label,
      ...styles(id),
      values: y[index] ?? [],
    })),
  };
}

export type Band = "range" | "deviation";

interface GroupCurve {
  group: Group;
  label: string;
  epochs: Columns[];
}

/** Lines of the means, with the lowest and highest value or one standard deviation as a band. */
export function groupLines(
  groups: readonly GroupCurve[],
  metric: string,
  kind: XAxis,
  band: Band,
  styles: Styles,
): Chart {
  const drawn = groups
    .map(({ group, label, epochs }) => {
      // A run that has not begun would leave nothing of its group.
      const begun = epochs.filter((each) => each.epoch?.length);
      return { group, label, n: begun.length, rows: groupRows(begun, metric, kind, band) };
    })
    .filter(({ rows }) => rows.length > 0);
  const align = (pick: (row: BandRow) => number | null) =>
    alignSeries(drawn.map(({ rows }) => ({ x: rows.map((row) => row.x), y: rows.map(pick) })));
  const [mean, low, high] = [align((row) => row.mean), align((row) => row.low), align((row) => row.high)];
  return {
    x: axisOf(kind, mean.x),
    lines: drawn.map(({ group, label, n }, index) => ({
      id: group.key,
      label: `${label} (n = ${n})`,
      ...styles(group.key),
      values: mean.y[index] ?? [],
      ...(n > 1 && { band: { low: low.y[index] ?? [], high: high.y[index] ?? [] } }),
    })),
  };
}

interface BandRow {
  x: number;
  mean: number;
  low: number;
  high: number;
}

/**
 * Returns the rows of the epochs that all runs of a group have reached: a mean over the rest of them would jump where
 * a run stops.
 */
export function groupRows(runs: readonly Columns[], metric: string, kind: XAxis, band: Band): BandRow[] {
  const length = runs.length === 0 ? 0 : Math.min(...runs.map((epochs) => epochs.epoch?.length ?? 0));
  const positions = runs.map((epochs) => epochPositions(kind, epochs));
  const rows: BandRow[] = [];
  for (let index = 0; index < length; index++) {
    const spread = spreadOf(runs.map((epochs) => epochs[metric]?.[index]));
    const x = spreadOf(positions.map((each) => each[index]))?.mean;
    if (spread?.n !== runs.length || x === undefined) continue;
    const { mean, deviation } = spread;
    const [low, high] =
      band === "range" ? [spread.low, spread.high] : [mean - (deviation ?? 0), mean + (deviation ?? 0)];
    rows.push({ x, mean, low, high });
  }
  return rows;
}

/** Says which runs of a grouping are not in the means. */
export function leftOutSentence(runs: readonly Run[], counted: number, ended: number): string {
  const parts = [];
  if (ended > 0) parts.push(`${count(ended, "run")} not counted: failed or cancelled`);
  const repeated = runs.length - ended - counted;
  if (repeated > 0) parts.push(`${count(repeated, "run")} not counted: same recipe and seed as another run`);
  return parts.map((part) => `${part}.`).join(" ");
}
