#!/bin/sh
# Shows why node-ntlm-client 0.1.2 is not used: on every live Node its NTLMv2 answer throws, and a
# server that offers only Basic is sent the password in cleartext.
#
#   sh docs/decisions/evidence/node-ntlm-client.sh
#
# Installs the package into a temporary folder; exits 0 when a finding was reproduced.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --prefix "$folder" --no-fund --no-audit --loglevel=error --ignore-scripts node-ntlm-client@0.1.2
cat > "$folder/try.cjs" <<'END'
const http = require('node:http')
const ntlm = require('node-ntlm-client')

// The challenge of [MS-NLMP] 4.2.4.3, as a server would send it.
const challenge =
  'NTLM TlRMTVNTUAACAAAADAAMADgAAAAzgoriASNFZ4mrze8AAAAAAAAAACQAJABEAAAABgBwFwAAAA9TAGUAcgB2AGUAcgACAAwARABvAG0AYQBpAG4AAQAMAFMAZQByAHYAZQByAAAAAAA='
let findings = 0
try {
  const type2 = ntlm.decodeType2Message(challenge)
  ntlm.createType3Message(type2, 'User', 'Password', 'COMPUTER', 'Domain')
  console.log(`${process.version}: a type 3 message was made`)
} catch (error) {
  findings += 1
  console.log(`${process.version}: createType3Message throws ${error.code ?? error.name}: ${error.message}`)
}

const server = http.createServer((request, response) => {
  const { authorization = '' } = request.headers
  if (authorization.startsWith('Basic ')) {
    findings += 1
    console.log(`on the wire: Basic ${Buffer.from(authorization.slice(6), 'base64')}`)
  }
  response.writeHead(401, { 'WWW-Authenticate': 'Basic realm="x"' }).end()
})
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address()
  const done = () => {
    server.close()
    server.closeAllConnections()
    process.exit(findings > 0 ? 0 : 1)
  }
  setTimeout(done, 2000)
  Promise.resolve(
    ntlm.request({
      uri: `http://127.0.0.1:${port}/`,
      method: 'GET',
      username: 'User',
      password: 'Password',
      request: { headers: {} },
    }),
  ).catch((error) => console.log(`request() rejects: ${error.message}`))
})
END
node "$folder/try.cjs"
