import { readFileSync, writeFileSync } from 'node:fs'

const kilobyte = 1_024

/** What Linux tells of a process; NaN where the system does not tell. */
export type ProcessFigures = {
  /** Processor time used so far, of all its threads. */
  cpuMs(): number
  /** Resident memory (VmRSS), in bytes. */
  resident(): number
  /** Proportional memory (Pss): pages that it shares with other processes count for a part. In bytes. */
  proportional(): number
  /** The most resident memory (VmHWM) since the last reset, in bytes. */
  peak(): number
  resetPeak(): void
  /** How many files it may have open. */
  maxOpenFiles(): number
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

const numberIn = (text: string, pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN)
/** Linux' unit in /proc/PID/stat, on every machine that Node runs on. */
const msPerTick = 10

export function figuresOf(pid: number): ProcessFigures {
  const status = (name: string): number =>
    numberIn(read(`/proc/${pid}/status`), new RegExp(`^${name}:\\s+(\\d+) kB`, 'm')) * kilobyte
  return {
    cpuMs() {
      // The process' name, in brackets, is the only field that may hold a blank.
      const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
      return (Number(fields[11]) + Number(fields[12])) * msPerTick
    },
    resident: () => status('VmRSS'),
    proportional: () => numberIn(read(`/proc/${pid}/smaps_rollup`), /^Pss:\s+(\d+) kB/m) * kilobyte,
    peak: () => status('VmHWM'),
    resetPeak() {
      try {
        writeFileSync(`/proc/${pid}/clear_refs`, '5')
      } catch {
        // Then the peak is that of the process' whole life, which is no smaller.
      }
    },
    maxOpenFiles: () => numberIn(read(`/proc/${pid}/limits`), /^Max open files\s+(\d+)/m),
  }
}
