/** The names under which the page uses the schemas of the API. `schema.d.ts` is generated from the OpenAPI document. */
import type { components } from "./schema";

type Schemas = components["schemas"];

export type Run = Schemas["Run"];
export type BriefRun = Schemas["BriefRun"];
export type BriefPage = Schemas["BriefPage"];
export type Advice = Schemas["Advice"];
export type ProblemDocument = Schemas["ProblemDocument"];
export type DatasetListing = Schemas["DatasetListing"];
export type DatasetCard = Schemas["DatasetCard"];
export type DatasetSamples = Schemas["DatasetSamples"];
export type DatasetSummary = Schemas["DatasetSummary"];
export type Inspection = Schemas["Inspection"];
export type Column = Schemas["Column"];
export type TargetCard = Schemas["TargetCard"];
export type Session = Schemas["Session"];
export type System = Schemas["System"];
export type Worker = Schemas["Worker"];
export type Queues = Schemas["Queues"];
export type Preview = Schemas["Preview"];
export type Ingredients = Schemas["Ingredients"];
export type Variant = Schemas["Variant"];
export type Experiment = Schemas["Experiment"];
export type ExperimentBrief = Schemas["Brief"];
export type ExperimentPage = Schemas["ExperimentPage"];
export type ExperimentPreview = Schemas["ExperimentPreview"];
export type ExtensionPreview = Schemas["ExtensionPreview"];
export type ExperimentDeletion = Schemas["ExperimentDeletion"];
export type ExperimentDocument = Schemas["ExperimentDocument"];
// What has a default is in every answer.
export type Results = Required<Omit<Schemas["Results"], "arms">> & { arms: ArmResult[] };
export type ArmResult = Required<Schemas["ArmResult"]>;
export type Ensemble = Schemas["Ensemble"];
export type Prediction = Schemas["Prediction"];
export type WhatIf = Schemas["WhatIf"];
export type ExperimentWhatIf = Schemas["ExperimentWhatIf"];
