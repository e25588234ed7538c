/**
 * The pages. A new page is a folder and an entry here, which begins with its name in the address. The code of a page is
 * loaded when the page is first shown.
 */
import type { ComponentType } from "preact";

export interface Page {
  name: string;
  title: string;
  load: () => Promise<ComponentType>;
  /** How the menu shows the page: what a user wants most is a button. A page that needs an id is not in the menu. */
  menu?: "link" | "button";
}

export const PAGES: readonly Page[] = [
  { name: "", title: "Runs", load: async () => (await import("./runs/runs")).Runs, menu: "link" },
  {
    name: "new",
    title: "New recipe",
    load: async () => (await import("./new/new")).NewRecipe,
    menu: "button",
  },
  {
    name: "compare",
    title: "Compare",
    load: async () => (await import("./compare/compare")).Compare,
    menu: "link",
  },
  { name: "run", title: "Run", load: async () => (await import("./run/run")).RunPage },
  {
    name: "experiments",
    title: "Experiments",
    load: async () => (await import("./experiments/experiments")).Experiments,
    menu: "link",
  },
  {
    name: "cookbook",
    title: "Cookbook",
    load: async () => (await import("./cookbook/cookbook")).Cookbook,
    menu: "link",
  },
  { name: "data", title: "Data", load: async () => (await import("./data/data")).Data, menu: "link" },
  {
    name: "system",
    title: "System",
    load: async () => (await import("./system/system")).System,
    menu: "link",
  },
];
