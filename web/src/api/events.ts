/** The events of a run's log, as `GET /v1/events` sends them. */
import type { BriefRun, DatasetListing, Inspection, Run } from "./types";

interface Common<Type extends string, Data> {
  run_id: string;
  /** Position in the run's log, from 1. */
  seq: number;
  time: string;
  attempt: number;
  type: Type;
  data: Data;
}

export type Numbers = Record<string, number | null | undefined>;

/** An event of a run's log. */
export type LogEvent =
  | Common<
      "state",
      { status: BriefRun["status"]; reason: BriefRun["reason"]; request: BriefRun["request"]; actor: string }
    >
  | Common<"step", Numbers & { step: number; epoch: number }>
  | Common<"epoch", Numbers & { epoch: number; step: number } & { is_best?: boolean }>
  | Common<"checkpoint", { epoch: number; roles: string[]; sha256: string; bytes: number }>
  | Common<"diagnostic", Record<string, unknown> & { name: string; epoch: number; step: number }>
  | Common<"advice", Run["advice"][number]>
  | Common<"log", { code: string; message: string; level?: string }>
  | Common<
      "end",
      {
        status: BriefRun["status"];
        reason: BriefRun["reason"];
        verdict: string | null;
        message: string | null;
      }
    >;

/** In streams of several runs, the end of everything about a run is an event too. */
export type RunEvent = LogEvent | Common<"deleted", Record<string, never>>;

/** The state of an uploaded data set, in streams of several runs. */
export interface DatasetEvent {
  dataset_id: string;
  data: { status: DatasetListing["status"]; received_bytes: number } & Partial<Inspection>;
}

export const EVENT_TYPES = [
  "state",
  "step",
  "epoch",
  "checkpoint",
  "diagnostic",
  "advice",
  "log",
  "end",
] as const;
