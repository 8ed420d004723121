/** The parts that are used here of what the service serves as /assets/htm-preact.js: htm, preact and its hooks in one file. */

export type Node = object | string | number | null | undefined | false | Node[]
export type Ref<T> = { current: T }
type Done = () => void

export function html(strings: TemplateStringsArray, ...values: unknown[]): Node
export function render(node: Node, into: Element): void
export function useState<T>(initial: T | (() => T)): [T, (next: T | ((before: T) => T)) => void]
export function useEffect(effect: () => Done | undefined | void, inputs?: readonly unknown[]): void
export function useLayoutEffect(effect: () => Done | undefined | void, inputs?: readonly unknown[]): void
export function useRef<T>(initial: T): Ref<T>
export function useMemo<T>(make: () => T, inputs: readonly unknown[]): T
