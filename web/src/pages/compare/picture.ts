/** A chart as a picture, with its title and the lines that it shows. */
import { drawLines } from "../../charts/paint";
import { lineId } from "../../charts/types";
import { saveFile } from "./csv";
import type { Chart } from "./lines";

const MARGIN = 16;
const LINE_HEIGHT = 20;
const COLUMN_WIDTH = 240;

export function savePicture(
  element: HTMLElement,
  file: string,
  title: string,
  chart: Chart,
  hidden: ReadonlySet<string>,
): void {
  const plot = element.querySelector("canvas");
  const picture = document.createElement("canvas");
  const context = picture.getContext("2d");
  if (!plot || !context) return;
  const scale = devicePixelRatio;
  const lines = chart.lines.filter((line) => !hidden.has(lineId(line)));
  const width = plot.width / scale + 2 * MARGIN;
  const columns = Math.max(Math.floor((width - 2 * MARGIN) / COLUMN_WIDTH), 1);
  const top = 2 * MARGIN + LINE_HEIGHT;
  const height = top + plot.height / scale + LINE_HEIGHT * Math.ceil(lines.length / columns) + 2 * MARGIN;
  picture.width = width * scale;
  picture.height = height * scale;
  context.scale(scale, scale);
  const style = getComputedStyle(element);
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(0, 0, width, height);
  context.fillStyle = style.color;
  context.font = `600 16px ${style.fontFamily}`;
  context.fillText(title, MARGIN, MARGIN + 14);
  context.drawImage(plot, MARGIN, top - MARGIN, plot.width / scale, plot.height / scale);
  context.font = `13px ${style.fontFamily}`;
  lines.forEach((line, index) => {
    const x = MARGIN + (index % columns) * COLUMN_WIDTH;
    const y = top + plot.height / scale + LINE_HEIGHT * Math.floor(index / columns);
    drawLines(context, { ...line, width: 2.5 }, [[x, y, x + 26, y]]);
    // A longer label is written narrower.
    context.fillText(line.label, x + 34, y + 4, COLUMN_WIDTH - 44);
  });
  picture.toBlob((content) => content && saveFile(file, content), "image/png");
}
