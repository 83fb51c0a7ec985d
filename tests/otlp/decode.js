// Holds OTLP requests in JSON against the published schema, and prints their spans as trees.
// Usage: decode.js [--quiet] < FILE, one request a line, as trace.to = { file = ... } writes them. NODE_PATH
// leads to what package.json names. Exit status 1 and a sentence for the first thing that is wrong.
//
// The schema is opentelemetry-proto's; to its types this adds what the specification asks of JSON: ids in hex
// of the right length, 64-bit integers as strings, enums as numbers, and no member that the schema lacks.
'use strict'

const fs = require('fs')
const path = require('path')
const protobuf = require('protobufjs')

const ROOT = path.join(path.dirname(require.resolve('@opentelemetry/otlp-grpc-exporter-base/package.json')),
  'build', 'protos')
const ID_BYTES = { traceId: 16, spanId: 8, parentSpanId: 8 }
const UINT64_MOST = 2n ** 64n - 1n
const INT64_LEAST = -(2n ** 63n)
const INT64_MOST = 2n ** 63n - 1n

function load () {
  const root = new protobuf.Root()
  root.resolvePath = (origin, target) => path.join(ROOT, target)
  root.loadSync('opentelemetry/proto/collector/trace/v1/trace_service.proto')
  root.resolveAll()
  return root.lookupType('opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest')
}

function fail (where, what) {
  throw new Error(`${where}: ${what}`)
}

function checkInteger64 (where, value, least, most) {
  if (typeof value !== 'string' || !/^(0|-?[1-9][0-9]*)$/.test(value)) {
    fail(where, `a 64-bit integer must be a string of digits, not ${JSON.stringify(value)}`)
  }
  const number = BigInt(value)
  if (number < least || number > most) fail(where, `${value} is out of range`)
}

function checkId (where, name, value) {
  const digits = (ID_BYTES[name] || fail(where, 'bytes that are no id')) * 2
  if (typeof value !== 'string' || !/^[0-9a-f]+$/.test(value) || value.length !== digits) {
    fail(where, `an id must be ${digits} lower-case hex digits, not ${JSON.stringify(value)}`)
  }
  if (/^0+$/.test(value)) fail(where, 'an id must not be zeros')
}

function checkScalar (where, field, value) {
  switch (field.type) {
    case 'string':
      if (typeof value !== 'string') fail(where, `must be a string, not ${JSON.stringify(value)}`)
      break
    case 'bool':
      if (typeof value !== 'boolean') fail(where, `must be a boolean, not ${JSON.stringify(value)}`)
      break
    case 'double':
      if (typeof value !== 'number') fail(where, `must be a number, not ${JSON.stringify(value)}`)
      break
    case 'uint32': case 'fixed32':
      if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) fail(where, `${value} is no uint32`)
      break
    case 'int64': case 'sint64': case 'sfixed64':
      checkInteger64(where, value, INT64_LEAST, INT64_MOST)
      break
    case 'uint64': case 'fixed64':
      checkInteger64(where, value, 0n, UINT64_MOST)
      break
    case 'bytes':
      checkId(where, field.name, value)
      break
    default:
      fail(where, `the type ${field.type} is not expected here`)
  }
}

function checkValue (where, field, value) {
  const type = field.resolvedType
  if (type instanceof protobuf.Enum) {
    if (!Number.isInteger(value) || !(value in type.valuesById)) {
      fail(where, `${JSON.stringify(value)} is not in the enum ${type.name}`)
    }
  } else if (type instanceof protobuf.Type) {
    checkMessage(where, type, value)
  } else {
    checkScalar(where, field, value)
  }
}

function checkMessage (where, type, message) {
  if (typeof message !== 'object' || message === null || Array.isArray(message)) {
    fail(where, `must be an object (${type.name})`)
  }
  const chosen = {}
  for (const [name, value] of Object.entries(message)) {
    const field = type.fields[name]
    const at = `${where}.${name}`
    if (!field) fail(at, `${type.name} has no such field`)
    if (field.options && field.options.deprecated) fail(at, 'the field is deprecated')
    if (field.partOf) {
      if (chosen[field.partOf.name]) fail(at, `one of ${field.partOf.name} is there already`)
      chosen[field.partOf.name] = true
    }
    if (field.repeated) {
      if (!Array.isArray(value)) fail(at, 'must be an array')
      value.forEach((item, i) => checkValue(`${at}[${i}]`, field, item))
    } else {
      checkValue(at, field, value)
    }
  }
}

// ---- What the types do not say -------------------------------------------------------------------

function plain (value) {
  const [one] = Object.values(value)
  return one
}

function attributesOf (where, list) {
  const out = {}
  for (const { key, value } of list || []) {
    if (!key) fail(where, 'an attribute without a key')
    if (key in out) fail(where, `the attribute ${key} is there twice`)
    if (!value || Object.keys(value).length !== 1) fail(where, `the attribute ${key} has no value`)
    out[key] = plain(value)
  }
  return out
}

function checkSpan (where, span) {
  for (const name of ['traceId', 'spanId', 'name', 'startTimeUnixNano', 'endTimeUnixNano', 'kind']) {
    if (!span[name]) fail(where, `${name} is missing`)
  }
  const start = BigInt(span.startTimeUnixNano)
  const end = BigInt(span.endTimeUnixNano)
  if (end < start) fail(where, 'it ends before it starts')
  if (span.parentSpanId === span.spanId) fail(where, 'it is its own parent')
  for (const event of span.events || []) {
    const at = BigInt(event.timeUnixNano)
    if (!event.name || at < start || at > end) fail(where, `its event ${event.name} is not inside of it`)
    attributesOf(where, event.attributes)
  }
  for (const link of span.links || []) {
    if (!link.traceId || !link.spanId) fail(where, 'a link lacks an id')
  }
  return { ...span, start, end, attributes: attributesOf(where, span.attributes), children: [] }
}

function spansOf (request) {
  const spans = []
  for (const resource of request.resourceSpans || fail('request', 'resourceSpans is missing')) {
    const attributes = attributesOf('resource', resource.resource && resource.resource.attributes)
    if (!attributes['service.name']) fail('resource', 'service.name is missing')
    for (const scope of resource.scopeSpans || []) {
      if (!scope.scope || !scope.scope.name || !scope.scope.version) fail('scope', 'it has no name or version')
      scope.spans.forEach(span => spans.push(checkSpan(`span ${span.spanId}`, span)))
    }
  }
  return spans
}

// Puts spans below their parents. A child that is a request lies inside of its parent's time.
function treesOf (spans) {
  const known = new Map()
  for (const span of spans) {
    const id = span.traceId + span.spanId
    if (known.has(id)) fail(`span ${span.spanId}`, 'its id is there twice')
    known.set(id, span)
  }
  const roots = []
  for (const span of spans) {
    const parent = span.parentSpanId && known.get(span.traceId + span.parentSpanId)
    if (!parent) {
      roots.push(span)
      continue
    }
    if (span.kind === 3 && (span.start < parent.start || span.end > parent.end)) {
      fail(`span ${span.spanId}`, 'it is not inside of its parent')
    }
    parent.children.push(span)
  }
  return roots
}

function print (span, depth) {
  const shown = ['http.response.status_code', 'http.request.resend_count', 'status', 'verdict', 'outcome',
    'error.type']
  const words = shown.filter(name => name in span.attributes).map(name => `${name}=${span.attributes[name]}`)
  const status = span.status && span.status.code === 2 ? ' ERROR' : ''
  console.log('  '.repeat(depth) + [span.name, ...words].join(' ') + status)
  for (const event of span.events || []) {
    const details = Object.entries(attributesOf('event', event.attributes)).map(([k, v]) => `${k}=${v}`)
    console.log('  '.repeat(depth + 1) + ['*', event.name, ...details].join(' '))
  }
  const byStart = (a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0)
  span.children.sort(byStart).forEach(child => print(child, depth + 1))
}

function main () {
  const type = load()
  const spans = []
  const lines = fs.readFileSync(0, 'utf8').split('\n').filter(line => line !== '')
  lines.forEach((line, i) => {
    let request
    try {
      request = JSON.parse(line)
    } catch (err) {
      fail(`line ${i + 1}`, err.message)
    }
    checkMessage(`line ${i + 1}`, type, request)
    spans.push(...spansOf(request))
  })
  if (spans.length === 0) fail('input', 'there are no spans')
  const trees = treesOf(spans)
  if (!process.argv.includes('--quiet')) trees.forEach(tree => print(tree, 0))
  console.log(`${spans.length} spans in ${trees.length} trees`)
}

try {
  main()
} catch (err) {
  console.error(err.message)
  process.exit(1)
}
