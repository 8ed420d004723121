/**
 * Runs each side once a round, one after the other: A B A B …. What disturbs the machine for a while falls on all sides alike.
 * Rounds are counted from 0.
 */
export async function inTurns<Side extends string, T>(
  rounds: number,
  sides: Readonly<Record<Side, (round: number) => Promise<T>>>,
): Promise<Record<Side, T[]>> {
  // The keys of a literal of that very type.
  const names = Object.keys(sides) as Side[]
  const results = Object.fromEntries(names.map(name => [name, [] as T[]])) as Record<Side, T[]>
  for (let round = 0; round < rounds; round += 1) {
    for (const name of names) results[name].push(await sides[name](round))
  }
  return results
}
