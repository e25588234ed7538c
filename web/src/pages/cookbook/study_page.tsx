import { addressOf } from "../../address";
import { useAnswer } from "../../api/answer";
import type { Json } from "../../json";
import { Pairs } from "../../parts/pairs";
import { Prose } from "../../parts/prose";
import { Waiting } from "../../parts/waiting";
import { useTitle } from "../../title";
import { AskAgain } from "./ask_again";
import { Measured } from "./measured";
import { type Block, readBlocks } from "./prose";
import { Recipes } from "./recipes";
import type { Study } from "./study";

export function StudyPage({ name }: { name: string }) {
  const answered = useAnswer<Study>(`v1/cookbook/${encodeURIComponent(name)}`);
  const { answer } = answered;
  useTitle(answer?.question ?? name);
  return (
    <>
      <p>
        <a href={addressOf({ page: "cookbook" })}>All studies</a>
      </p>
      <h1>{answer?.question ?? name}</h1>
      <Waiting {...answered} lines={12} label={`Loading ${name}`} />
      {answer && <Content study={answer} />}
    </>
  );
}

function Content({ study }: { study: Study }) {
  return (
    <>
      <p class="answer">{study.answer}</p>
      <div class="prose">
        {readBlocks(study.text).map((each, index) => (
          <BlockOf key={index} block={each} />
        ))}
      </div>
      <Measured answer={study.measured} />
      <AskAgain name={study.name} experiment={study.experiment as Json} />
      <Recipes study={study} />
      {study.clashes.length > 0 && (
        <section class="below">
          <h2>What the advice says about these recipes</h2>
          <Pairs pairs={study.clashes.map(({ code, about }) => [<code key={code}>{code}</code>, about])} />
        </section>
      )}
    </>
  );
}

function BlockOf({ block: { kind, text } }: { block: Block }) {
  if (kind === "code")
    return (
      <pre>
        <code>{text}</code>
      </pre>
    );
  const prose = <Prose text={text} />;
  return kind === "heading" ? <h2>{prose}</h2> : <p class={kind}>{prose}</p>;
}
