import type { Experiment, Results } from "../../api/types";
import { evenTicks, padRange } from "../../charts/ticks";
import { capitalize, count, formatMetric, spellOut } from "../../format";
import { Table } from "../../parts/table";
import { meansOf, pairsOf } from "./interactions";
import { formatDifference, unitOfDifference } from "./words";

const TONES: Readonly<Record<string, string>> = { better: "good", worse: "bad" };

/** What each ingredient is worth, and, in a factorial, what two do together; with the experiment also as lines. */
export function Effects({ experiment, results }: { experiment?: Experiment; results: Results }) {
  const { effects, metric } = results;
  if (effects.length === 0) return null;
  const isFactorial = effects.some(({ type }) => type !== "ingredient");
  const unit = unitOfDifference(metric);
  return (
    <section class="card">
      <h2>{isFactorial ? "Effects" : "What each ingredient buys"}</h2>
      <Table
        label="Effects"
        class="comparison"
        rows={effects}
        columns={[
          { title: "Ingredient", cell: (effect) => effect.ingredients.map(spellOut).join(" with ") },
          ...(isFactorial
            ? [{ title: "Kind", cell: (effect: Results["effects"][number]) => effect.type }]
            : []),
          { title: "n", isNumber: true, cell: (effect) => effect.n },
          {
            title: `${spellOut(metric)}${unit && `, ${unit}`}`,
            isNumber: true,
            cell: (effect) => formatDifference(metric, effect.mean, effect.interval),
          },
          {
            title: "Verdict",
            cell: ({ verdict }) => <span class={`verdict ${TONES[verdict] ?? ""}`}>{verdict}</span>,
          },
        ]}
      />
      <p class="quiet">
        {isFactorial
          ? "A main effect is the mean with the ingredient minus the mean without it; an interaction says how much the effect of one depends on the other."
          : "The recipe minus the recipe without the ingredient: above 0 the metric is higher with it."}
      </p>
      {isFactorial && experiment && <Interactions experiment={experiment} results={results} />}
    </section>
  );
}

const SIZE = { width: 240, height: 170, left: 56, right: 12, top: 12, bottom: 28 };

/** For each two factors, the mean with and without the first, as a line for the second on and off. */
function Interactions({ experiment, results }: { experiment: Experiment; results: Results }) {
  const { factors } = experiment;
  const { metric } = results;
  const pairs = pairsOf(factors.length).map((pair) => ({
    pair,
    means: meansOf(experiment.arms, results.arms, pair),
  }));
  const shown = pairs.flatMap(({ means }) => means.flat()).filter((mean) => mean !== null);
  if (shown.length === 0) return null;
  const [low, high] = padRange(Math.min(...shown), Math.max(...shown), false);
  const y = (value: number) =>
    SIZE.top + ((high - value) / (high - low)) * (SIZE.height - SIZE.top - SIZE.bottom);
  const x = (isOn: number) => (isOn ? SIZE.width - SIZE.right - 24 : SIZE.left + 24);
  const format = (value: number | null | undefined) => formatMetric(metric, value);
  const ticks = evenTicks(low, high, 4);
  return (
    <>
      <h3>Interactions</h3>
      <p class="quiet">
        Mean {spellOut(metric)} over the other ingredients. Lines that are not parallel: what one ingredient
        does depends on the other. {count(pairs.length, "pair")}, all on one scale.
      </p>
      <div class="interactions">
        {pairs.map(({ pair: [first, second], means }) => {
          const [name, other] = [spellOut(factors[first] ?? ""), spellOut(factors[second] ?? "")];
          const told = (row: number) =>
            `${row ? "with" : "without"} ${other} ${format(means[row]?.[0])} becomes ${format(means[row]?.[1])}`;
          return (
            <figure key={`${first} ${second}`}>
              <svg
                viewBox={`0 0 ${SIZE.width} ${SIZE.height}`}
                role="img"
                aria-label={`Switching on ${name}: ${told(0)}, ${told(1)}`}
              >
                {ticks.map((tick) => (
                  <g key={tick}>
                    <line
                      class="grid"
                      x1={SIZE.left}
                      x2={SIZE.width - SIZE.right}
                      y1={y(tick)}
                      y2={y(tick)}
                    />
                    <text x={SIZE.left - 6} y={y(tick) + 4} text-anchor="end">
                      {format(tick)}
                    </text>
                  </g>
                ))}
                {["without", "with"].map((word, isOn) => (
                  <text key={word} x={x(isOn)} y={SIZE.height - 8} text-anchor="middle">
                    {word}
                  </text>
                ))}
                {means.map((row, isOn) => (
                  <g key={isOn} class={isOn ? "on" : "off"}>
                    {row[0] != null && row[1] != null && (
                      <line x1={x(0)} x2={x(1)} y1={y(row[0])} y2={y(row[1])} />
                    )}
                    {row.map((mean, at) => mean != null && <circle key={at} cx={x(at)} cy={y(mean)} r="4" />)}
                  </g>
                ))}
              </svg>
              <figcaption>
                <strong>{capitalize(name)}</strong>; <span class="on">━ with {other}</span>,{" "}
                <span class="off">┅ without</span>
              </figcaption>
            </figure>
          );
        })}
      </div>
    </>
  );
}
