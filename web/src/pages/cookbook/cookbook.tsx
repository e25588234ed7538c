import { addressOf, query } from "../../address";
import { useAnswer } from "../../api/answer";
import { count } from "../../format";
import { Filter, filterText } from "../../parts/filter";
import { Waiting } from "../../parts/waiting";
import "./cookbook.css";
import { type BriefStudy, matches } from "./study";
import { StudyPage } from "./study_page";

export function Cookbook() {
  const name = query.value.get("study");
  return name === null ? <Studies /> : <StudyPage name={name} />;
}

function Studies() {
  const answered = useAnswer<{ data: BriefStudy[] }>("v1/cookbook");
  const filter = filterText();
  const shown = answered.answer?.data.filter((each) => matches(each, filter));
  return (
    <>
      <div class="heading">
        <h1>Cookbook</h1>
        <Filter label="Filter the studies" />
      </div>
      <p class="quiet">Questions about training tricks, answered by experiments that you can repeat.</p>
      <Waiting {...answered} lines={9} label="Loading the cookbook" />
      {shown && filter && (
        <p class="quiet" role="status">
          {count(shown.length, "study", "studies")} with “{filter}”
        </p>
      )}
      <div class="cards">
        {shown?.map((each) => (
          <article class="card" key={each.name}>
            <h2>
              <a href={addressOf({ page: "cookbook", study: each.name })}>{each.question}</a>
            </h2>
            <p>{each.answer}</p>
            <p class="quiet">
              {each.design} · {count(each.runs, "run")} · {count(each.recipes.length, "recipe")}
            </p>
          </article>
        ))}
      </div>
    </>
  );
}
