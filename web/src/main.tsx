import "./watch";
import { render } from "preact";
import { App } from "./app";
import { followAwaited } from "./notifications";
import "./style.css";

const root = document.getElementById("page");
followAwaited();
if (root) render(<App />, root);
