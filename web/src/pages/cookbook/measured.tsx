import { useState } from "preact/hooks";
import { count } from "../../format";
import { ArmsTable } from "../experiments/arms_table";
import { DotPlot } from "../experiments/dot_plot";
import { Effects } from "../experiments/effects";
import { EnsemblesTable } from "../experiments/ensembles_table";
import "../experiments/experiments.css";
import { SearchFindings } from "../experiments/search_findings";
import { Warnings } from "../experiments/warnings";
import { WhatIfTable } from "../experiments/what_if_table";
import { comparedFirst } from "../experiments/words";
import { type MeasuredAnswer, mainArms } from "./study";

/** The stored answer of a question, as the page of its experiment draws it. */
export function Measured({ answer }: { answer: MeasuredAnswer }) {
  const { results, what_if: whatIf, measured_on: date, versions } = answer;
  return (
    <section class="below">
      <h2>What was measured</h2>
      <p class="answer">{results.sentence}</p>
      <div class="experiment experiment-parts">
        <Warnings results={results} />
        <Effects results={results} />
        <Arms answer={answer} />
        <SearchFindings results={results} />
        {whatIf && (
          <section class="card">
            <h2>What other early stopping would have done</h2>
            <WhatIfTable found={whatIf} metric={results.metric} />
          </section>
        )}
        {results.ensembles.length > 0 && (
          <section class="card">
            <h2>All runs of an arm as one model</h2>
            <EnsemblesTable ensembles={results.ensembles} metric={results.metric} />
          </section>
        )}
      </div>
      <p class="quiet">
        {count(results.runs, "run")}, measured on {date} with {versions.join(", ")}.
      </p>
    </section>
  );
}

function Arms({ answer: { results } }: { answer: MeasuredAnswer }) {
  const [isAll, setAll] = useState(false);
  const main = mainArms(results);
  const shown = { ...results, arms: isAll ? comparedFirst(results.arms, results) : main };
  return (
    <>
      {shown.arms.length > 0 && (
        <>
          <DotPlot results={shown} />
          <ArmsTable results={shown} />
        </>
      )}
      {shown.arms.length < results.arms.length && (
        <p>
          <button type="button" onClick={() => setAll(true)}>
            Show all {count(results.arms.length, "arm")}
          </button>
        </p>
      )}
    </>
  );
}
