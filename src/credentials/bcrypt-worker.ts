/**
 * What runs in the worker threads of `bcrypt-pool.ts`: one bcrypt computation a message. bcryptjs is
 * pure JavaScript and would hold up the event loop for a tenth of a second and more.
 */
import { parentPort } from 'node:worker_threads'
import { compareSync, hashSync } from 'bcryptjs'
import type { BcryptAnswer, BcryptRequest } from './bcrypt-pool.ts'

parentPort?.on('message', (request: BcryptRequest) => {
  parentPort?.postMessage(answer(request))
})

function answer(request: BcryptRequest): BcryptAnswer {
  try {
    return request.kind === 'create'
      ? { value: hashSync(request.password, request.cost) }
      : { value: compareSync(request.password, request.hash) }
  } catch {
    // Its messages might quote what it was given.
    return { value: undefined }
  }
}
