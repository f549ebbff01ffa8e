// The same two rules in JavaScript: what a command says, and which arm serves a key. Any Kafka client brings the bytes.
import { createHash } from 'node:crypto'

const TYPES = [                                   // the fields of RoutingCommand.avsc, in their order
  ['migration_id', 'string'], ['epoch', 'long'], ['sequence', 'long'], ['phase', 'string'], ['incumbent_version', 'string'],
  ['challenger_version', 'string'], ['salt', 'string'], ['live_share', 'double'], ['shadow_share', 'shares'],
  ['lease_ms', 'long?'], ['issued_at_ms', 'long'], ['reason', 'string'], ['config_hash', 'string'],
  ['ledger_partition', 'long'], ['ledger_offset', 'long'], ['ledger_row', 'long?'],
]

export function decode (data) {
  if (data[0] === 0x7b) return JSON.parse(data)
  let at = 5                                      // a zero byte and the schema's id
  const long = () => {
    let value = 0n, shift = 0n, byte
    do { byte = data[at++]; value |= BigInt(byte & 127) << shift; shift += 7n } while (byte > 127)
    return Number((value >> 1n) ^ -(value & 1n))
  }
  const text = () => { const n = long(); at += n; return data.toString('utf8', at - n, at) }
  const double = () => { at += 8; return data.readDoubleLE(at - 8) }
  const shares = () => {
    const found = {}
    for (let n = long(); n !== 0; n = long()) {
      if (n < 0) { n = -n; long() }
      while (n-- > 0) { const name = text(); found[name] = double() }
    }
    return found
  }
  const read = { string: text, long, double, shares, 'long?': () => (long() ? long() : null) }
  return Object.fromEntries(TYPES.map(([name, type]) => [name, read[type]()]))
}

export function route (command, key) {            // while the lease lasts; the incumbent after it
  const digest = createHash('sha256').update(`route/${command.salt}/${key}`).digest().readBigUInt64BE()
  const share = command.live_share
  return share >= 1 || digest < BigInt(Math.floor(share * 2 ** 64)) ? 'challenger' : 'incumbent'
}
