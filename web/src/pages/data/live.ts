import { signal } from "@preact/signals-core";
import { useEffect, useMemo } from "preact/hooks";
import { useAnswer } from "../../api/answer";
import type { DatasetEvent } from "../../api/events";
import { follow } from "../../api/stream";

export type News = DatasetEvent["data"];

/** Loads an answer, and again whenever an uploaded data set has another status; what proceeds within one is `news`. */
export function useLive<Answer>(path: string) {
  const answered = useAnswer<Answer>(path);
  const news = useMemo(() => signal<Readonly<Record<string, News>>>({}), []);
  const { load } = answered;
  useEffect(() => {
    const handle = (event: unknown) => {
      const { dataset_id: id, data } = event as DatasetEvent;
      const before = news.value[id];
      news.value = { ...news.value, [id]: data };
      if (before?.status !== data.status) load();
    };
    return follow({ all: true, type: ["dataset"] }, { load, handle });
  }, [path]);
  return { ...answered, news: news.value };
}
