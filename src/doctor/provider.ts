import type { Config } from '../config.ts'
import { refusesAccount } from '../domain/provider.ts'
import { isLoopback } from '../net/local-url.ts'
import { type ProbeAnswer, type ProbeOutcome, probeProvider } from '../provider/probe.ts'
import { type Finding, findingsOf } from './finding.ts'

const provider = findingsOf('provider')
const clock = findingsOf('clock')

const clockWarnMs = 30_000
const clockFailMs = 300_000

/** Whether the provider answers, and takes the key; and by its answer, whether our clock is right. It costs nothing. */
export async function examineProvider(config: Config, now: () => number): Promise<Finding[]> {
  if (config.provider === 'sandbox' || config.providerApiKey === null) return examineSandbox(config)
  const { providerBaseUrl: baseUrl, providerTasksPath: tasksPath, providerApiKey: apiKey } = config
  const outcome = await probeProvider({ baseUrl, tasksPath, apiKey, now })
  return [...examineAddress(config), examineAnswer(outcome, tasksPath !== ''), examineClock(outcome)]
}

function examineSandbox(config: Config): Finding[] {
  const seen = 'the sandbox: nothing is charged, and pictures are only made to look edited'
  const finding =
    config.providerApiKey === null
      ? provider.ok(seen, 'PROVIDER_API_KEY makes it real')
      : provider.warn(`${seen}; PROVIDER_API_KEY is not used`, 'take PROVIDER=sandbox away to make it real')
  return [finding, clock.skip('there is no other to compare with')]
}

/** What is certain of the address without asking it. */
function examineAddress(config: Config): Finding[] {
  const url = new URL(config.providerBaseUrl)
  const findings: Finding[] = []
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    findings.push(provider.warn('PROVIDER_BASE_URL is not https: the key travels unencrypted', 'use its https address'))
  if (config.providerTasksPath === '')
    findings.push(
      provider.warn(
        'PROVIDER_TASKS_PATH is empty: a result whose callback is lost is lost',
        'set it, if the provider has such a path',
      ),
    )
  return findings
}

function examineAnswer(outcome: ProbeOutcome, isAsked: boolean): Finding {
  if (outcome.kind === 'unreachable') {
    const toDo = /CERT|SSL|TLS|SIGNED/.test(outcome.code)
      ? 'look at its certificate, and at PROVIDER_BASE_URL'
      : 'look at PROVIDER_BASE_URL, the name server, and whether this machine may connect outwards'
    return provider.fail(`cannot be reached (${outcome.code})`, toDo)
  }
  const { answer } = outcome
  if (!isAsked)
    return provider.ok(`something answers (HTTP ${answer.status}, ${answer.ms} ms); whether it takes the key is not known`)
  return examineRefusal(answer) ?? provider.ok(`answers in ${answer.ms} ms, and takes the key`)
}

function examineRefusal({ status, isJson, error }: ProbeAnswer): Finding | null {
  const code = error?.code ?? ''
  const told = `HTTP ${status}${/^[\w.-]{1,50}$/.test(code) ? ` ${code}` : ''}`
  if (refusesAccount(status, code)) return provider.fail(...accountWords(code, told))
  if (status === 429) return provider.warn(`asks to wait (${told})`, 'run the doctor again in a minute')
  if (status >= 500) return provider.warn(`is in trouble (${told})`, 'look at its status page, and wait')
  if (status >= 300 && status < 400)
    return provider.fail(`answers with a redirect (${told})`, 'set PROVIDER_BASE_URL to the address that it leads to')
  if (status === 403) return provider.fail(`refuses this (${told})`, 'ask the provider what the key may do')
  if (status !== 200 || error !== null)
    return provider.fail(`does not know this question (${told})`, 'look at PROVIDER_BASE_URL and PROVIDER_TASKS_PATH')
  if (!isJson) return provider.fail('what answers there is no provider (no JSON)', 'look at PROVIDER_BASE_URL')
  return null
}

function accountWords(code: string, told: string): [string, string] {
  if (code === 'used_up') return [`the balance is used up (${told})`, 'top up the account at the provider']
  if (code === 'disabled') return [`the account is disabled (${told})`, 'ask the provider']
  return [`the key is refused (${told})`, 'look at PROVIDER_API_KEY: was it copied whole, is it still valid?']
}

function examineClock(outcome: ProbeOutcome): Finding {
  const aheadMs = outcome.kind === 'answered' ? outcome.answer.clockAheadMs : null
  if (aheadMs === null) return clock.skip('the provider named no time to compare with')
  const offMs = Math.abs(aheadMs)
  const way = aheadMs < 0 ? 'behind' : 'ahead of'
  const seen = offMs < 2_000 ? 'as the provider’s' : `${Math.round(offMs / 1_000)} s ${way} the provider’s`
  const toDo = 'set it by a time server: signatures, deadlines and signed URLs go by it'
  if (offMs > clockFailMs) return clock.fail(seen, toDo)
  return offMs > clockWarnMs ? clock.warn(seen, toDo) : clock.ok(seen)
}
