// Makes headers as the path says; the number tells how often it was asked.
let count = 0

export function prepare({ path, query, method, host, authority, headers, body, secrets, options }) {
  count += 1
  const value = `${secrets.OWN}-${count}`
  if (path === '/undeclared') return { headers: { 'X-Other': value } }
  if (path === '/host') return { headers: { Host: 'evil.example' } }
  if (path === '/lines') return { headers: { 'X-Own': 'a\r\nX-Injected: 1' } }
  if (path === '/framing') return { headers: { 'Content-Length': '0' } }
  if (path === '/none') return { headers: {} }
  if (path === '/throw') throw new Error(value)
  if (path === '/describe') {
    const seen = [
      method,
      path,
      query,
      host === authority,
      headers['x-app'] ?? '',
      body?.length ?? -1,
    ]
    return { headers: { 'X-Own': seen.join(' ') } }
  }
  return { headers: { 'X-Own': value }, ...(options.ttl === undefined ? {} : { ttl: options.ttl }) }
}

export function rejected({ status, headers }) {
  return status === 401 && headers['x-spent'] === 'yes'
}
