import type { DatasetCard } from "../../api/types";
import { capitalize, count, spellOut } from "../../format";
import { placeName } from "../../json";
import { Finding, toneOf } from "../../parts/finding";

/** What the profile has found, each with its place and with a recipe that settles it. */
export function Findings({ card, dataset }: { card: DatasetCard; dataset: string }) {
  const { findings = [], columns } = card;
  const placeOf = (where: string) => columns?.[Number(where.split("/columns/")[1])]?.name ?? placeName(where);
  if (findings.length === 0) return null;
  return (
    <section class="below">
      <h2>{count(findings.length, "finding")}</h2>
      {findings.map((finding, index) => (
        <div class={`notice ${toneOf(finding.severity)}`} key={index}>
          <Finding
            finding={finding}
            title={
              <>
                <strong>{capitalize(spellOut(finding.code))}</strong>{" "}
                <span class="quiet">
                  {finding.severity}, <bdi>{placeOf(finding.where)}</bdi>
                </span>
                <br />
              </>
            }
            change={{ dataset, finding: String(index) }}
          />
        </div>
      ))}
    </section>
  );
}
