import { addressOf } from "../../address";
import { count } from "../../format";
import { queue } from "./state";

/** The runs that wait, in the order in which workers take them, each with the reason. */
export function Queue() {
  const shown = queue.value;
  if (!shown) return null;
  const more = shown.length - shown.data.length;
  return (
    <section class="below">
      <h2>{shown.length === 0 ? "No run waits" : `${count(shown.length, "run")} waiting`}</h2>
      {shown.length > 0 && (
        <ol class="queue">
          {shown.data.map((each) => (
            <li key={each.run_id} value={each.position}>
              <a href={addressOf({ page: "run", id: each.run_id })}>{each.run_id}</a>{" "}
              <span class="quiet">{each.reason}</span>
            </li>
          ))}
        </ol>
      )}
      {more > 0 && <p class="quiet">And {count(more, "more run")}.</p>}
    </section>
  );
}
