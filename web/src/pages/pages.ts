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
  /** Whether the menu lists the page; the others need an id in their address. */
  inMenu: boolean;
  /** Whether the menu shows the page as the button of what a user wants most. */
  isAction?: boolean;
}

export const PAGES: readonly Page[] = [
  { name: "", title: "Runs", View: Runs, inMenu: true },
  { name: "new", title: "New recipe", View: NewRecipe, inMenu: true, isAction: true },
  { name: "compare", title: "Compare", View: Compare, inMenu: true },
  { name: "run", title: "Run", View: RunPage, inMenu: false },
  { name: "cookbook", title: "Cookbook", View: Cookbook, inMenu: true },
  { name: "data", title: "Data", View: Data, inMenu: true },
  { name: "system", title: "System", View: System, inMenu: true },
];
