import type { Signal } from "@preact/signals-core";
import { addressOf, toggleListed } from "../../address";
import type { BriefRun } from "../../api/types";
import { formatMetric, formatSeconds, formatWhole, spellOut } from "../../format";
import { RunLine } from "../../parts/run_line";
import { StatusMark } from "../../parts/status_mark";
import { runStyle } from "../../runs/colors";
import { verdictTitle } from "../../runs/verdict";
import { CUT, gravity, remainingSeconds } from "./arrangement";
import { RowMenu } from "./row_menu";
import { sparklinePath } from "./sparkline";

export interface RowProps {
  row: Signal<BriefRun>;
  /** Place in the whole table, from 1; the header is the first row. */
  index: number;
  shared: ReadonlySet<string>;
  /** Whether the best values of all runs compare; the header then names the metric. */
  namesMetric: boolean;
  isTicked: boolean;
}

const CUT_NOTE = "\nThe recipe of the run has more than this list has room for.";

/** A run in the list; a change of the run draws only this row again. */
export function Row({ row, index, shared, namesMetric, isTicked }: RowProps) {
  const run = row.value;
  const name = run.name ?? run.id;
  const metric = run.best && !namesMetric ? shorten(run.best.monitor, run.loss) : "";
  const tokens = [run.dataset, run.architecture, ...run.ingredients]
    .filter((each) => !shared.has(each))
    .join(" · ");
  return (
    <tr aria-rowindex={index} class={isTicked ? "ticked" : undefined}>
      <Cell name="tick">
        <input
          type="checkbox"
          checked={isTicked}
          onChange={() => toggleListed("ticked", run.id)}
          aria-label={`Compare ${name}`}
        />
      </Cell>
      <Cell name="name">
        <RunLine {...runStyle(run.id)} />
        <a href={addressOf({ page: "run", id: run.id })} title={`${name}\n${run.id}`}>
          <bdi>{name}</bdi>
        </a>
      </Cell>
      <Cell name="status">
        <StatusMark status={run.status} />
        {run.request && <small> {run.request} requested</small>}
      </Cell>
      <Cell name="curve">
        <Sparkline run={run} />
      </Cell>
      <Cell name="best" label={metric || "Best"} isNumber>
        {run.best ? formatMetric(run.best.monitor, run.best.value) : "–"}
        <small> {metric}</small>
      </Cell>
      <Cell name="best_epoch" label="at epoch" isNumber>
        {run.best ? formatWhole(run.best.epoch) : "–"}
      </Cell>
      <Cell name="epoch" label="Epoch" isNumber>
        {formatWhole(run.progress.epoch)} <small>of {formatWhole(run.progress.epochs)}</small>
      </Cell>
      <Cell name="gap" label="Gap" isNumber>
        {run.gap ? formatMetric(run.gap.metric, run.gap.value) : "–"}
      </Cell>
      <Cell name="time" label={run.queue ? "Queue" : "Time"} isNumber>
        <Time run={run} />
      </Cell>
      <Cell name="verdict">
        {run.verdict && (
          <span class={`verdict ${gravity(run)}`} title={run.verdict}>
            {verdictTitle(run.verdict)}
          </span>
        )}
      </Cell>
      <Cell name="ingredients">
        <span class="tokens" title={tokens + (run.ingredients.includes(CUT) ? CUT_NOTE : "")}>
          {tokens}
        </span>
      </Cell>
      <Cell name="menu">
        <RowMenu run={run} />
      </Cell>
    </tr>
  );
}

function Cell(props: {
  name: string;
  label?: string;
  isNumber?: boolean;
  children: preact.ComponentChildren;
}) {
  return (
    <td class={`col-${props.name}${props.isNumber ? " number" : ""}`} data-label={props.label}>
      {props.children}
    </td>
  );
}

function Time({ run }: { run: BriefRun }) {
  if (run.queue) return <>place {formatWhole(run.queue)}</>;
  const left = remainingSeconds(run);
  return (
    <>
      {run.status === "queued" ? "–" : formatSeconds(run.seconds)}
      {left !== null && <small> ≤ {formatSeconds(left)} left</small>}
    </>
  );
}

const SIZE = { width: 96, height: 24 };

function Sparkline({ run }: { run: BriefRun }) {
  if (!run.sparkline) return null;
  return (
    <svg viewBox={`-2 -2 ${SIZE.width + 4} ${SIZE.height + 4}`} width="100" height="28" aria-hidden="true">
      <path d={sparklinePath(run.sparkline, SIZE)} style={{ stroke: runStyle(run.id).color }} />
    </svg>
  );
}

/** Names a metric; of a loss, which one it is. */
function shorten(metric: string, loss: string | null): string {
  return spellOut((metric === "validation_loss" && loss) || metric).replace("validation", "val.");
}
