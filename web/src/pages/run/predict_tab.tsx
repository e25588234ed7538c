import { useEffect, useState } from "preact/hooks";
import { useLoaded } from "../../api/answer";
import { get, post, RequestFailed, request } from "../../api/http";
import type { Column, DatasetCard, DatasetListing, DatasetSamples, Prediction, Run } from "../../api/types";
import { formatNumber } from "../../format";
import { Empty } from "../../parts/empty";
import { Failure } from "../../parts/failure";
import { FileButton, useDrop } from "../../parts/files";
import { Table } from "../../parts/table";
import { Waiting } from "../../parts/waiting";
import type { LiveRun } from "../../runs/live_run";
import { type Cells, columnAt, inputsOf, numbersOf, pastedCells, rowOf, sampleCell } from "./predict";
import "./predict.css";

const MAX_OPTIONS = 50;
const PICTURES = ["image/png", "image/jpeg"];

/** What the best weights predict for a row or a picture of the user. */
export function PredictTab({ run }: { live: LiveRun; run: Run }) {
  const path = `v1/datasets/${encodeURIComponent(run.recipe.dataset.id)}`;
  const loaded = useLoaded(run.id, () => get<DatasetListing>(path));
  const asked = useAsked(run);
  if (!run.best)
    return <Empty title="Predictions come with the first epoch">The run has no best weights yet.</Empty>;
  if (!loaded.answer) return <Waiting {...loaded} lines={5} label="Loading the data set" />;
  const { card } = loaded.answer;
  if (!card)
    return <Empty title="The data set is not there">Its columns and classes are those of the model.</Empty>;
  return (
    <div class="predict">
      <p class="quiet">
        The best weights, of epoch {run.best.epoch}, predict for your own row; nothing is trained or stored.
        For whole files: <code>bakehouse predict {run.id} FILE</code>
      </p>
      <Question card={card} run={run} asked={asked} />
      <div role="status" class="predict-answer">
        {asked.failure && !asked.failure.problem?.errors?.some(({ pointer }) => columnAt(pointer)) && (
          <Failure error={asked.failure} />
        )}
        {asked.answer && <Answer prediction={asked.answer} />}
      </div>
    </div>
  );
}

interface Asked {
  answer: Prediction | null;
  failure: RequestFailed | null;
  isWaiting: boolean;
  askRow: (row: unknown) => void;
  askPicture: (file: File) => void;
}

/** Asks the best weights, and keeps the newest answer. */
function useAsked(run: Run): Asked {
  const [state, setState] = useState<Pick<Asked, "answer" | "failure" | "isWaiting">>({
    answer: null,
    failure: null,
    isWaiting: false,
  });
  const path = `v1/runs/${run.id}/checkpoints/best/predict`;
  const ask = async (send: () => Promise<Response>) => {
    setState((before) => ({ ...before, isWaiting: true }));
    try {
      const { predictions } = (await (await send()).json()) as { predictions: Prediction[] };
      setState({ answer: predictions[0] ?? null, failure: null, isWaiting: false });
    } catch (error) {
      if (!(error instanceof RequestFailed)) throw error;
      setState({ answer: null, failure: error, isWaiting: false });
    }
  };
  return {
    ...state,
    askRow: (row) => void ask(() => post(path, JSON.stringify({ rows: [row] }))),
    askPicture: (file) =>
      void ask(() => request(path, { method: "POST", headers: { "Content-Type": file.type }, body: file })),
  };
}

/** What the user gives: a form of the columns, a picture, or numbers. */
function Question({ card, run, asked }: { card: DatasetCard; run: Run; asked: Asked }) {
  if (card.kind === "image") return <PictureQuestion asked={asked} />;
  if (card.columns && !run.recipe.dataset.sequence)
    return <RowForm card={card} columns={inputsOf(run, card)} asked={asked} />;
  return <NumbersForm card={card} asked={asked} />;
}

function PictureQuestion({ asked }: { asked: Asked }) {
  const [refused, setRefused] = useState<string | null>(null);
  const [shown, setShown] = useState<{ name: string; address: string } | null>(null);
  useEffect(() => () => void (shown && URL.revokeObjectURL(shown.address)), [shown]);
  const take = ([file]: readonly File[]) => {
    if (!file) return;
    const isPicture = PICTURES.includes(file.type);
    setRefused(isPicture ? null : `${file.name} is not a PNG or JPEG.`);
    if (!isPicture) return;
    setShown({ name: file.name, address: URL.createObjectURL(file) });
    asked.askPicture(file);
  };
  useDrop(take);
  return (
    <section class="card" aria-label="Your picture">
      <p>Drop a PNG or JPEG of any size on this page.</p>
      <FileButton onFiles={take} />
      {refused && (
        <p class="notice bad" role="alert">
          {refused}
        </p>
      )}
      {shown && <p class="quiet">{shown.name}</p>}
    </section>
  );
}

/** A field for each column, filled with a row of the data set to begin with. */
function RowForm({ card, columns, asked }: { card: DatasetCard; columns: readonly Column[]; asked: Asked }) {
  const [cells, setCells] = useState<Cells>({});
  const samples = useLoaded(card.id, () =>
    get<DatasetSamples>(`v1/datasets/${encodeURIComponent(card.id)}/samples`, { limit: 1 }),
  );
  useEffect(() => {
    const names = samples.answer?.columns ?? [];
    const row = samples.answer?.values?.[0] ?? [];
    setCells(Object.fromEntries(names.map((name, place) => [name, sampleCell(row[place])])));
  }, [samples.answer]);
  const problems = new Map(
    asked.failure?.problem?.errors?.map(({ pointer, message }) => [columnAt(pointer), message]),
  );
  const paste = (event: ClipboardEvent) => {
    const found = pastedCells(event.clipboardData?.getData("text") ?? "", columns, card.columns ?? []);
    if (!found) return;
    event.preventDefault();
    setCells((before) => ({ ...before, ...found }));
  };
  return (
    <form
      class="predict-form"
      aria-label="Your row"
      onPaste={paste}
      onSubmit={(event) => {
        event.preventDefault();
        asked.askRow(rowOf(columns, cells));
      }}
    >
      <p class="quiet">
        A row that you copy from a table or a file and paste into a field fills all of them. An empty field is
        an empty cell.
      </p>
      <div class="predict-fields">
        {columns.map((column) => (
          <CellField
            key={column.name}
            column={column}
            value={String(cells[column.name] ?? "")}
            problem={problems.get(column.name)}
            onInput={(value) => setCells((before) => ({ ...before, [column.name]: value }))}
          />
        ))}
      </div>
      <SubmitButton asked={asked} />
    </form>
  );
}

function CellField(props: {
  column: Column;
  value: string;
  problem: string | undefined;
  onInput: (value: string) => void;
}) {
  const { column, value, problem, onInput } = props;
  const id = `cell-${column.name}`;
  const listed = column.classes && !["number", "date"].includes(column.kind) ? column.classes : null;
  const shared = {
    id,
    value,
    "aria-invalid": problem ? ("true" as const) : undefined,
    "aria-describedby": problem ? `${id}-problem` : undefined,
  };
  return (
    <div class="predict-field">
      <label for={id}>
        <bdi>{column.name}</bdi> <span class="quiet">{column.kind}</span>
      </label>
      {listed && listed.length <= MAX_OPTIONS ? (
        <select {...shared} onChange={(event) => onInput(event.currentTarget.value)}>
          <option value="">(empty)</option>
          {[...new Set(listed.includes(value) || !value ? listed : [value, ...listed])].map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      ) : (
        <input {...shared} type="text" onInput={(event) => onInput(event.currentTarget.value)} />
      )}
      {problem && (
        <p class="problem" id={`${id}-problem`} role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

/** A row of a set without named columns, or the steps of a sequence. */
function NumbersForm({ card, asked }: { card: DatasetCard; asked: Asked }) {
  const [text, setText] = useState("");
  const isSequence = card.kind === "sequence" || card.columns !== null;
  return (
    <form
      class="predict-form"
      aria-label="Your row"
      onSubmit={(event) => {
        event.preventDefault();
        asked.askRow(numbersOf(text));
      }}
    >
      <label for="numbers">
        {isSequence ? "The steps of a sequence as JSON: a list of rows" : `${card.shape[0]} numbers`}
      </label>
      <textarea id="numbers" rows={4} value={text} onInput={(event) => setText(event.currentTarget.value)} />
      <SubmitButton asked={asked} />
    </form>
  );
}

function SubmitButton({ asked }: { asked: Asked }) {
  return (
    <p>
      <button type="submit" class="primary" aria-disabled={asked.isWaiting}>
        Predict
      </button>
    </p>
  );
}

function Answer({ prediction }: { prediction: Prediction }) {
  return (
    <>
      <TargetAnswer prediction={prediction} name={null} />
      {Object.entries(prediction.further ?? {}).map(([name, further]) => (
        <TargetAnswer key={name} prediction={further} name={name} />
      ))}
      {prediction.notes?.map((note) => (
        <p key={note} class="notice warning">
          {note}
        </p>
      ))}
    </>
  );
}

type OneTarget = Pick<Prediction, "label" | "probabilities" | "value" | "non_finite">;

function TargetAnswer({ prediction, name }: { prediction: OneTarget; name: string | null }) {
  const { label, probabilities, value } = prediction;
  const title = name === null ? "Prediction" : `Prediction of ${name}`;
  const shares = Object.entries(probabilities ?? {}).sort(([, one], [, other]) => other - one);
  return (
    <section class="card" aria-label={title}>
      <h2>{title}</h2>
      <p class="predict-label">
        {prediction.non_finite ? "The output is not finite." : <bdi>{label ?? formatNumber(value ?? 0)}</bdi>}
      </p>
      {shares.length > 0 && (
        <Table
          label={`${title}: probabilities`}
          class="classes"
          rows={shares.slice(0, MAX_OPTIONS)}
          columns={[
            { title: "Class", cell: ([each]) => <bdi>{each}</bdi> },
            { title: "Probability", isNumber: true, cell: ([, share]) => `${(100 * share).toFixed(1)} %` },
            {
              title: <span class="visually-hidden">As a bar</span>,
              cell: ([, share]) => <div class="bar" style={{ width: `${100 * share}%` }} />,
            },
          ]}
        />
      )}
    </section>
  );
}
