import { addressOf } from "../../address";
import { count, formatWhole } from "../../format";
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
        <div class="scroll">
          <table>
            <thead>
              <tr>
                <th scope="col" class="number">
                  Place
                </th>
                <th scope="col">Run</th>
                <th scope="col">Why it waits</th>
              </tr>
            </thead>
            <tbody>
              {shown.data.map((each) => (
                <tr key={each.run_id}>
                  <td class="number">{formatWhole(each.position)}</td>
                  <th scope="row">
                    <a href={addressOf({ page: "run", id: each.run_id })}>{each.run_id}</a>
                  </th>
                  <td>{each.reason}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {more > 0 && <p class="quiet">And {count(more, "more run")}.</p>}
    </section>
  );
}
