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
export type System = Schemas["System"];
export type Worker = Schemas["Worker"];
export type Queues = Schemas["Queues"];
export type Preview = Schemas["Preview"];
export type Ingredients = Schemas["Ingredients"];
export type Variant = Schemas["Variant"];
