import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import { addressOf, changeView, query } from "../../address";
import { connection } from "../../api/stream";
import type { Experiment, Results } from "../../api/types";
import { Empty } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import { Tabs } from "../../parts/tabs";
import { Waiting } from "../../parts/waiting";
import { useTitle } from "../../title";
import { AnswerTab } from "./answer_tab";
import { CurvesTab } from "./curves_tab";
import { DocumentTab } from "./document_tab";
import { Head } from "./head";
import { LiveExperiment } from "./live_experiment";
import { WhatIfTab } from "./what_if_tab";

export interface TabProps {
  live: LiveExperiment;
  experiment: Experiment;
  results: Results;
}

const TABS = [
  { id: "answer", title: "Answer", View: AnswerTab },
  { id: "curves", title: "Curves", View: CurvesTab },
  { id: "what_if", title: "What if", View: WhatIfTab },
  { id: "document", title: "Document", View: DocumentTab },
] as const;

/** One question: how far its runs are, and what they answer. */
export function ExperimentView({ id }: { id: string }) {
  const live = useMemo(() => new LiveExperiment(id), [id]);
  useEffect(() => live.start(), [live]);
  const experiment = live.experiment.value;
  const results = live.results.value;
  const error = live.error.value;
  useTitle(experiment ? (experiment.name ?? id) : null);
  if (error?.status === 404) {
    return experiment ? (
      <NotThere heading={experiment.name ?? id} title="This experiment has been deleted">
        The runs that it has made are gone with it, unless others need them.
      </NotThere>
    ) : (
      <NotThere
        heading={`There is no experiment “${id}”`}
        title="It may have been deleted, or the address is not complete"
      >
        An id begins with <code>exp_</code> and has 12 letters and digits after that.
      </NotThere>
    );
  }
  if (!experiment || !results) {
    return (
      <>
        <h1>Experiment {id}</h1>
        <Waiting
          answer={null}
          failure={error}
          load={() => live.load()}
          lines={8}
          label="Loading the experiment"
        />
      </>
    );
  }
  const tab = TABS.find((each) => each.id === query.value.get("tab")) ?? TABS[0];
  return (
    <div class="experiment" data-status={experiment.status}>
      {error && <Failure error={error} onRetry={() => live.load()} />}
      {connection.value === "cut" && (
        <p class="notice warning" role="status">
          The connection to the service is lost. The page continues by itself.
        </p>
      )}
      <Head live={live} experiment={experiment} results={results} />
      <Tabs
        label="Views of the experiment"
        tabs={TABS}
        selected={tab.id}
        onSelect={(next) => changeView({ tab: next === "answer" ? null : next, zoom: null })}
      >
        <tab.View key={tab.id} live={live} experiment={experiment} results={results} />
      </Tabs>
    </div>
  );
}

function NotThere(props: { heading: string; title: string; children: ComponentChildren }) {
  return (
    <>
      <h1>{props.heading}</h1>
      <Empty
        title={props.title}
        action={
          <a class="button primary" href={addressOf({ page: "experiments" })}>
            Go to the experiments
          </a>
        }
      >
        {props.children}
      </Empty>
    </>
  );
}
