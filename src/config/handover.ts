/**
 * Hands a value from one thread to another in parts, so small that receiving one is no stall, in the
 * order in which they are made. Long lists and maps go in pieces, wherever they stand. A structured
 * clone cannot carry a `Secret` and turns a `Buffer` into a plain array: their places travel beside
 * the value, as references to what holds them, so that nothing in the value can pass for one and the
 * receiver walks over nothing.
 */
import { Secret } from '../secret.ts'

/** A list or map longer than this goes in pieces. */
const MAX_INLINE = 1000
/** Values in a part, roughly; one takes about a microsecond to receive. */
const PART_WEIGHT = 2000

type Holder = unknown[] | Map<unknown, unknown> | Record<string, unknown>
type List = unknown[] | Map<unknown, unknown>
/** Where something stands: what holds it, and the index or key. */
type Place = readonly [holder: Holder, key: unknown]

/** One message; `bytes` can be transferred. */
export interface Part {
  /** The list or map that `items` continue; 0 is the list that holds the whole value. */
  readonly id: number
  /** Of a map: key, value, key, value. */
  readonly items: unknown[]
  readonly secrets: (readonly [...Place, value: string, source: string])[]
  readonly buffers: (readonly [...Place, offset: number, length: number])[]
  /** Lists and maps that later parts fill. */
  readonly lists: (readonly [...Place, id: number, isMap: boolean])[]
  readonly bytes: ArrayBuffer
}

/** Takes a value of plain objects, arrays, maps, primitives, `Buffer`s and `Secret`s apart. */
export function* takeApart(value: unknown): Generator<Part, void, undefined> {
  const queue: { readonly id: number; readonly list: List }[] = []
  const ids = new Map<List, number>()
  function findId(list: List): number {
    let id = ids.get(list)
    if (id === undefined) {
      id = ids.size + 1
      ids.set(list, id)
      queue.push({ id, list })
    }
    return id
  }
  queue.push({ id: 0, list: [value] })
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { id, list } = next
    let maker = new PartMaker(id, findId)
    for (const item of list instanceof Map ? flatten(list) : list) {
      // A key and its value stay together.
      if (maker.isFull && !(list instanceof Map && maker.itemCount % 2 === 1)) {
        yield maker.finish()
        maker = new PartMaker(id, findId)
      }
      maker.add(item)
    }
    yield maker.finish()
  }
}

/** Puts together what `takeApart` made; the parts must come in their order. */
export class Assembler {
  readonly #root: unknown[] = []
  readonly #lists = new Map<number, List>([[0, this.#root]])

  /** The whole value, once every part has been added. */
  get value(): unknown {
    return this.#root[0]
  }

  /** Adds one part. */
  add({ id, items, secrets, buffers, lists, bytes }: Part): void {
    for (const [holder, key, value, source] of secrets) {
      put(holder, key, new Secret(value, source))
    }
    for (const [holder, key, offset, length] of buffers) {
      put(holder, key, Buffer.from(bytes, offset, length))
    }
    for (const [holder, key, listId, isMap] of lists) {
      const list = this.#lists.get(listId) ?? (isMap ? new Map<unknown, unknown>() : [])
      this.#lists.set(listId, list)
      put(holder, key, list)
    }
    const target = this.#lists.get(id)
    if (target === undefined) throw new TypeError(`part of the unknown list ${id}`)
    if (Array.isArray(target)) {
      for (const item of items) target.push(item)
    } else {
      for (let i = 0; i < items.length; i += 2) target.set(items[i], items[i + 1])
    }
  }
}

class PartMaker {
  readonly #id: number
  readonly #findId: (list: List) => number
  readonly #items: unknown[] = []
  readonly #secrets: Part['secrets'] = []
  readonly #buffers: Part['buffers'] = []
  readonly #lists: Part['lists'] = []
  readonly #chunks: Uint8Array[] = []
  /** What is shared within a part stays shared; within another it becomes a copy. */
  readonly #copies = new Map<object, unknown>()
  #byteCount = 0
  #weight = 0

  constructor(id: number, findId: (list: List) => number) {
    this.#id = id
    this.#findId = findId
  }

  get isFull(): boolean {
    return this.#weight >= PART_WEIGHT
  }

  get itemCount(): number {
    return this.#items.length
  }

  add(item: unknown): void {
    const index = this.#items.length
    this.#items.push(undefined)
    this.#place(this.#items, index, item)
  }

  finish(): Part {
    const bytes = new Uint8Array(this.#byteCount)
    let offset = 0
    for (const chunk of this.#chunks) {
      bytes.set(chunk, offset)
      offset += chunk.length
    }
    return {
      id: this.#id,
      items: this.#items,
      secrets: this.#secrets,
      buffers: this.#buffers,
      lists: this.#lists,
      bytes: bytes.buffer,
    }
  }

  #place(holder: Holder, key: unknown, value: unknown): void {
    this.#weight++
    if (typeof value === 'string') this.#weight += value.length >>> 8
    if (typeof value === 'function' || typeof value === 'symbol') {
      throw new TypeError(`cannot hand over a ${typeof value}`)
    }
    const copy =
      typeof value === 'object' && value !== null ? this.#copy(holder, key, value) : value
    put(holder, key, copy)
  }

  /** A copy, or `undefined` for what the receiver puts in its place. */
  #copy(holder: Holder, key: unknown, value: object): unknown {
    const known = this.#copies.get(value)
    if (known !== undefined) return known
    if (value instanceof Secret) {
      this.#secrets.push([holder, key, value.reveal(), value.source])
      this.#weight += 4
      return undefined
    }
    if (value instanceof Uint8Array) {
      // Never the memory behind it: that is a pool, which holds other people's secrets too.
      this.#buffers.push([holder, key, this.#byteCount, value.length])
      this.#chunks.push(value)
      this.#byteCount += value.length
      this.#weight += 4
      return undefined
    }
    if (Array.isArray(value) || value instanceof Map) return this.#copyList(holder, key, value)
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) {
      throw new TypeError(`cannot hand over a ${value.constructor.name}`)
    }
    const copy: Record<string, unknown> = {}
    this.#copies.set(value, copy)
    for (const [name, item] of Object.entries(value)) this.#place(copy, name, item)
    return copy
  }

  #copyList(holder: Holder, key: unknown, list: List): unknown {
    const isMap = list instanceof Map
    if ((isMap ? list.size : list.length) > MAX_INLINE || this.isFull) {
      this.#lists.push([holder, key, this.#findId(list), isMap])
      this.#weight += 4
      return undefined
    }
    const copy: List = isMap ? new Map() : new Array<unknown>(list.length)
    this.#copies.set(list, copy)
    for (const [index, item] of list.entries()) this.#place(copy, index, item)
    return copy
  }
}

function put(holder: Holder, key: unknown, value: unknown): void {
  if (holder instanceof Map) {
    holder.set(key, value)
  } else if (key === '__proto__') {
    const descriptor = { value, writable: true, enumerable: true, configurable: true }
    Object.defineProperty(holder, key, descriptor)
  } else {
    ;(holder as Record<string | number, unknown>)[key as string | number] = value
  }
}

function* flatten(map: Map<unknown, unknown>): Generator<unknown, void, undefined> {
  for (const [key, value] of map) {
    yield key
    yield value
  }
}
