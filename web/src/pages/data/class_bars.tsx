/** The number of rows of each class as small bars; the same numbers are in words or in a table beside them. */
export function ClassBars({ counts, label }: { counts: readonly number[]; label: string }) {
  const most = Math.max(...counts, 1);
  const width = Math.min(240 / counts.length, 24);
  return (
    <svg class="class-bars" viewBox="0 0 240 32" preserveAspectRatio="none" role="img" aria-label={label}>
      {counts.map((each, index) => {
        const height = Math.max((32 * each) / most, 1);
        return (
          <rect
            key={index}
            x={index * width}
            y={32 - height}
            width={Math.max(width - Math.min(2, width / 4), 0.5)}
            height={height}
          />
        );
      })}
    </svg>
  );
}
