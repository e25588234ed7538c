import { useMemo } from "preact/hooks";
import type { Heat } from "../../charts/heat";
import { HeatMap } from "../../charts/heat_map";
import { LineChart } from "../../charts/line_chart";
import type { Axis, Level, Line, Mark } from "../../charts/types";
import { formatMetric } from "../../format";

/** A chart of a run: lines, or one value a layer as a heat map. */
export interface Chart {
  title: string;
  x: Axis;
  lines?: Line[];
  heat?: Heat;
  marks?: Mark[];
  level?: Level;
  goal?: "low" | "high";
  /** The metric after which its values are formatted. */
  metric: string;
  isLog?: boolean;
  /** What a reader should know besides. */
  note?: string | undefined;
}

export function RunChart({ chart: { metric, heat, lines = [], ...chart } }: { chart: Chart }) {
  const format = useMemo(() => (value: number | null | undefined) => formatMetric(metric, value), [metric]);
  return heat ? (
    <HeatMap {...chart} heat={heat} format={format} />
  ) : (
    <LineChart {...chart} lines={lines} syncKey="run" format={format} />
  );
}
