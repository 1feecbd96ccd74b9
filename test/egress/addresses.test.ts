import fc from 'fast-check'
import t from 'tap'
import { classifyAddress, embeddedAddresses, findAddress } from '../../src/egress/addresses.ts'

t.test('an address is what the registries say it is', (t) => {
  const expectations: Record<string, readonly string[]> = {
    public: ['8.8.8.8', '172.32.0.1', '100.128.0.1', '11.0.0.1', '2606:4700::1111', '2a00::1'],
    private: [
      ...['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '100.127.0.1'],
      ...['fc00::1', 'fd12:3456::1', 'fec0::1'],
    ],
    loopback: ['127.0.0.1', '127.255.255.255', '::1'],
    link_local: ['169.254.0.1', '169.254.255.255', 'fe80::1', 'febf::1', 'fe80::1%eth0'],
    metadata: [
      ...['169.254.169.254', '169.254.170.2', '100.100.100.200', '168.63.129.16', '192.0.0.192'],
      ...['fd00:ec2::254', 'fd00:ec2:0:0:0:0:0:254', 'fd20:ce::254', 'fd00:42::42'],
    ],
    unspecified: ['0.0.0.0', '0.1.2.3', '::'],
    multicast: ['224.0.0.1', '239.255.255.255', '255.255.255.255', 'ff02::1'],
    reserved: [
      ...['192.0.0.1', '192.0.2.1', '198.18.0.1', '198.19.255.255', '203.0.113.9', '240.0.0.1'],
      ...['2001:db8::1', '2001:2::1', '100::1', '4000::1', '9000::1', '::2:3:4:5'],
    ],
  }
  for (const [expected, addresses] of Object.entries(expectations)) {
    for (const address of addresses) t.equal(classifyAddress(address), expected, address)
  }
  t.end()
})

t.test('an address that carries another is judged by the stricter of both', (t) => {
  const wrappers: [name: string, wrap: (bytes: number[]) => string][] = [
    ['mapped', ([a, b, c, d]) => `::ffff:${a}.${b}.${c}.${d}`],
    ['compatible', ([a, b, c, d]) => `::${a}.${b}.${c}.${d}`],
    ['translated', ([a, b, c, d]) => `::ffff:0:${a}.${b}.${c}.${d}`],
    ['NAT64', ([a, b, c, d]) => `64:ff9b::${a}.${b}.${c}.${d}`],
    ['local NAT64 /96', ([a, b, c, d]) => `64:ff9b:1::${a}.${b}.${c}.${d}`],
    ['local NAT64 /48', ([a, b, c, d]) => `64:ff9b:1:${hex(a, b)}:${hex(0, c)}:${hex(d, 0)}::`],
    ['6to4', ([a, b, c, d]) => `2002:${hex(a, b)}:${hex(c, d)}::1`],
    ['Teredo server', ([a, b, c, d]) => `2001:0:${hex(a, b)}:${hex(c, d)}::1`],
    [
      'Teredo client',
      (bytes) => {
        const [a, b, c, d] = bytes.map((byte) => byte ^ 0xff)
        return `2001:0:808:808:0:0:${hex(a, b)}:${hex(c, d)}`
      },
    ],
    ['ISATAP', ([a, b, c, d]) => `2606:4700::5efe:${a}.${b}.${c}.${d}`],
  ]
  const strict: [bytes: number[], expected: string][] = [
    [[169, 254, 169, 254], 'metadata'],
    [[169, 254, 1, 1], 'link_local'],
    [[127, 0, 0, 1], 'loopback'],
    [[224, 0, 0, 1], 'multicast'],
  ]
  for (const [name, wrap] of wrappers) {
    for (const [bytes, expected] of strict) {
      t.equal(classifyAddress(wrap(bytes)), expected, `${name} ${bytes.join('.')} ${wrap(bytes)}`)
    }
    t.not(classifyAddress(wrap([10, 0, 0, 1])), 'public', `${name} 10.0.0.1`)
  }
  t.equal(classifyAddress('64:ff9b::8.8.8.8'), 'public')
  t.equal(classifyAddress('2002:808:808::1'), 'public')
  t.end()
})

function hex(high = 0, low = 0): string {
  return (high * 256 + low).toString(16)
}

t.test('what is no address has no class', (t) => {
  for (const text of ['', 'localhost', '127.1', '1.2.3', '[::1]', '::g', '%eth0']) {
    t.equal(classifyAddress(text), undefined, text)
    t.equal(findAddress(text), undefined, text)
  }
  t.end()
})

t.test('every spelling of an IPv6 address has one class and carries the same', (t) => {
  t.doesNotThrow(() => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom(0, 0, 1, 0x64, 0xff9b, 0x2002, 0xfe80, 0xffff, 0x7f00, 0xa9fe), {
          minLength: 8,
          maxLength: 8,
        }),
        (words) => {
          const long = words.map((word) => word.toString(16).padStart(4, '0')).join(':')
          const short = words.map((word) => word.toString(16).toUpperCase()).join(':')
          const one = findAddress(long)
          if (one === undefined || one !== findAddress(short)) return false
          if (classifyAddress(long) !== classifyAddress(one)) return false
          return embeddedAddresses(one).every((each) => findAddress(each) === each)
        },
      ),
      { numRuns: 2000 },
    )
  })
  t.end()
})
