/** The pages. A new page is a folder and a line here; the first part of a line is its name in the address. */
import type { ComponentType } from "preact";
import { Runs } from "./runs/runs";

export interface Page {
  name: string;
  title: string;
  View: ComponentType;
  /** Whether the menu lists the page; the others need an id in their address. */
  inMenu: boolean;
  /** Whether the menu shows the page as the button of what a user wants most. */
  isAction?: boolean;
}

export const PAGES: readonly Page[] = [{ name: "", title: "Runs", View: Runs, inMenu: true }];
