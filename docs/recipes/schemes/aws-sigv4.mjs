// Signs requests to AWS, and to whatever speaks its Signature Version 4.
//
//   options: { region: eu-central-1, service: execute-api }
//   secrets: { ACCESS_KEY_ID, SECRET_ACCESS_KEY }, and SESSION_TOKEN for temporary ones
//   body: true, for the body is signed
//   headers: [Authorization, X-Amz-Date, X-Amz-Content-Sha256, X-Amz-Security-Token]
import { createHash, createHmac } from 'node:crypto'

const ALGORITHM = 'AWS4-HMAC-SHA256'

const sha256 = (data) => createHash('sha256').update(data).digest('hex')
const hmac = (key, text) => createHmac('sha256', key).update(text).digest()

/** As RFC 3986 has it: encodeURIComponent leaves some more characters as they are. */
const encode = (text) =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )

/** The path arrives encoded; all services but S3 want it encoded once more. */
function canonicalPath(path, service) {
  return service === 's3' ? path : path.split('/').map(encode).join('/')
}

function canonicalQuery(query) {
  if (query === '') return ''
  const pairs = query.split('&').map((pair) => {
    const [name, ...value] = pair.split('=')
    return [name, value.join('=')].map((text) => encode(decodeURIComponent(text)))
  })
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0)
  return pairs
    .sort(([a, x], [b, y]) => compare(a, b) || compare(x, y))
    .map((pair) => pair.join('='))
    .join('&')
}

/** `date` as in X-Amz-Date: 20150830T123600Z. Gives the headers to add. */
export function sign(
  request,
  { accessKeyId, secretAccessKey, sessionToken, region, service, date },
) {
  const digest = sha256(request.body)
  const added = {
    'x-amz-date': date,
    ...(service === 's3' ? { 'x-amz-content-sha256': digest } : {}),
    ...(sessionToken === undefined ? {} : { 'x-amz-security-token': sessionToken }),
  }
  const signed = Object.entries({ host: request.host, ...added }).sort(([a], [b]) =>
    a < b ? -1 : 1,
  )
  const names = signed.map(([name]) => name).join(';')
  const canonical = [
    request.method,
    canonicalPath(request.path, service),
    canonicalQuery(request.query),
    ...signed.map(([name, value]) => `${name}:${value}`),
    '',
    names,
    digest,
  ].join('\n')
  const day = date.slice(0, 8)
  const scope = `${day}/${region}/${service}/aws4_request`
  const key = [day, region, service, 'aws4_request'].reduce(hmac, `AWS4${secretAccessKey}`)
  const text = [ALGORITHM, date, scope, sha256(canonical)].join('\n')
  const signature = hmac(key, text).toString('hex')
  const credential = `Credential=${accessKeyId}/${scope}`
  return {
    ...added,
    authorization: `${ALGORITHM} ${credential}, SignedHeaders=${names}, Signature=${signature}`,
  }
}

/** @type {import('sidegate/custom').Prepare} */
export function prepare({ method, path, query, host, body, secrets, options }) {
  const headers = sign(
    { method, path, query, host, body: body ?? new Uint8Array() },
    {
      accessKeyId: secrets.ACCESS_KEY_ID,
      secretAccessKey: secrets.SECRET_ACCESS_KEY,
      sessionToken: secrets.SESSION_TOKEN,
      region: options.region,
      service: options.service,
      date: new Date().toISOString().replace(/[-:]|\.\d+/g, ''),
    },
  )
  return { headers }
}
