import { query } from "../../address";
import { ExperimentView } from "./experiment";
import { ExperimentList } from "./list";
import "./experiments.css";

/** Questions about recipes, each answered by several runs: the list, or the one that the address names. */
export function Experiments() {
  const id = query.value.get("id");
  return id ? <ExperimentView key={id} id={id} /> : <ExperimentList />;
}
