import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { addressOf, changeView, query } from "../../address";
import { connection } from "../../api/stream";
import { Empty } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import { Tabs } from "../../parts/tabs";
import { Waiting } from "../../parts/waiting";
import { LiveRun } from "../../runs/live_run";
import { useTitle } from "../../title";
import { CurvesTab } from "./curves_tab";
import { DataTab } from "./data_tab";
import { EventsTab } from "./events_tab";
import { Head } from "./head";
import { LayersTab } from "./layers_tab";
import { PredictTab } from "./predict_tab";
import { RecipeTab } from "./recipe_tab";
import { WhatIfTab } from "./what_if_tab";
import "./run.css";

const TABS = [
  { id: "curves", title: "Curves", View: CurvesTab },
  { id: "layers", title: "Layers", View: LayersTab },
  { id: "data", title: "Data", View: DataTab },
  { id: "what_if", title: "What if", View: WhatIfTab },
  { id: "predict", title: "Predict", View: PredictTab },
  { id: "recipe", title: "Recipe", View: RecipeTab },
  { id: "events", title: "Events", View: EventsTab },
] as const;

/** One run: how it goes, its results, and what it consists of. */
export function RunPage() {
  const id = query.value.get("id") ?? "";
  return <RunView key={id} id={id} />;
}

function RunView({ id }: { id: string }) {
  const live = useMemo(() => new LiveRun(id), [id]);
  useEffect(() => live.start(), [live]);
  const run = live.run.value;
  const error = live.error.value;
  useTitle(run ? (run.name ?? run.id) : null);
  if (error?.status === 404) {
    return run ? (
      <NotThere heading={run.name ?? run.id} title="This run has been deleted">
        Its record, its log and its files are gone.
      </NotThere>
    ) : (
      <NotThere
        heading={`There is no run “${id}”`}
        title="It may have been deleted, or the address is not complete"
      >
        An id begins with <code>run_</code> and has 12 letters and digits after that.
      </NotThere>
    );
  }
  if (!run) {
    return (
      <>
        <h1>Run {id}</h1>
        <Waiting
          answer={run}
          failure={error}
          load={() => void live.load()}
          lines={8}
          label="Loading the run"
        />
      </>
    );
  }
  const tab = TABS.find((each) => each.id === query.value.get("tab")) ?? TABS[0];
  return (
    <div class="run" data-status={run.status}>
      {error && <Failure error={error} onRetry={() => void live.load()} />}
      {connection.value === "cut" && (
        <p class="notice warning" role="status">
          The connection to the service is lost. The page continues by itself.
        </p>
      )}
      <Head live={live} run={run} />
      <Tabs
        label="Views of the run"
        tabs={TABS}
        selected={tab.id}
        onSelect={(next) => changeView({ tab: next === "curves" ? null : next, zoom: null })}
      >
        <tab.View key={tab.id} live={live} run={run} />
      </Tabs>
    </div>
  );
}

function NotThere({
  heading,
  title,
  children,
}: {
  heading: string;
  title: string;
  children: ComponentChildren;
}) {
  return (
    <>
      <h1>{heading}</h1>
      <Empty
        title={title}
        action={
          <a class="button primary" href={addressOf({})}>
            Go to the runs
          </a>
        }
        command="bakehouse ls"
      >
        {children}
      </Empty>
    </>
  );
}
