import type { Signal } from "@preact/signals";
import { addressOf, toggleListed } from "../../address";
import type { BriefRun } from "../../api/types";
import { formatMetric, formatSeconds, formatWhole, spellOut } from "../../format";
import { RunLine } from "../../parts/run_line";
import { StatusMark } from "../../parts/status_mark";
import { runColor } from "../../runs/colors";
import { gravity, remainingSeconds } from "./arrangement";
import { RowMenu } from "./row_menu";
import { sparklinePath } from "./sparkline";

export interface RowProps {
  row: Signal<BriefRun>;
  /** Place in the whole table, from 1; the header is the first row. */
  index: number;
  shared: ReadonlySet<string>;
  /** Whether all runs monitor the same metric, which the header names. */
  namesMetric: boolean;
  isTicked: boolean;
}

/** A run in the list; a change of the run draws only this row again. */
export function Row({ row, index, shared, namesMetric, isTicked }: RowProps) {
  const run = row.value;
  const name = run.name ?? run.id;
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
        <RunLine id={run.id} />
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
      <Cell name="best" label="Best" isNumber>
        {run.best && !namesMetric && <small>{shorten(run.best.monitor)} </small>}
        {run.best ? formatMetric(run.best.monitor, run.best.value) : "–"}
      </Cell>
      <Cell name="best_epoch" label="at epoch" isNumber>
        {run.best ? formatWhole(run.best.epoch) : "–"}
      </Cell>
      <Cell name="epoch" label="Stop" isNumber>
        {formatWhole(run.progress.epoch)} <small>of {formatWhole(run.progress.epochs)}</small>
      </Cell>
      <Cell name="gap" label="Gap" isNumber>
        {run.gap ? formatMetric(run.gap.metric, run.gap.value) : "–"}
      </Cell>
      <Cell name="time" label="Time" isNumber>
        <Time run={run} />
      </Cell>
      <Cell name="verdict">
        {run.verdict && (
          <span class={`verdict ${gravity(run)}`} title={spellOut(run.verdict)}>
            {spellOut(run.verdict)}
          </span>
        )}
      </Cell>
      <Cell name="ingredients">
        <Ingredients run={run} shared={shared} />
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
      <path d={sparklinePath(run.sparkline, SIZE)} style={{ stroke: runColor(run.id) }} />
    </svg>
  );
}

function Ingredients({ run, shared }: { run: BriefRun; shared: ReadonlySet<string> }) {
  const tokens = [run.dataset, run.architecture, ...run.ingredients].filter((each) => !shared.has(each));
  return (
    <span class="tokens" title={tokens.join(", ")}>
      {tokens.map((token) => (
        <span key={token} class="tag">
          {token}
        </span>
      ))}
    </span>
  );
}

function shorten(metric: string): string {
  return spellOut(metric).replace("validation", "val.");
}
