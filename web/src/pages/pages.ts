/** The pages. A new page is a folder and a line here; the first part of a line is its name in the address. */
import type { ComponentType } from "preact";
import { Compare } from "./compare/compare";
import { Cookbook } from "./cookbook/cookbook";
import { Data } from "./data/data";
import { NewRecipe } from "./new/new";
import { RunPage } from "./run/run";
import { Runs } from "./runs/runs";
import { System } from "./system/system";

export interface Page {
  name: string;
  title: string;
  View: ComponentType;
  /** How the menu shows the page: what a user wants most is a button. A page that needs an id is not in the menu. */
  menu?: "link" | "button";
}

export const PAGES: readonly Page[] = [
  { name: "", title: "Runs", View: Runs, menu: "link" },
  { name: "new", title: "New recipe", View: NewRecipe, menu: "button" },
  { name: "compare", title: "Compare", View: Compare, menu: "link" },
  { name: "run", title: "Run", View: RunPage },
  { name: "cookbook", title: "Cookbook", View: Cookbook, menu: "link" },
  { name: "data", title: "Data", View: Data, menu: "link" },
  { name: "system", title: "System", View: System, menu: "link" },
];
