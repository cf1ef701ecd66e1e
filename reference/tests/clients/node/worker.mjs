// A worker on a published version of iii-sdk that does what it is told.
//
//   node worker.mjs VERSION URL NAME
//
// Each line of standard input is a command, `{"n", "do", …}`. What is said to the harness begins with `@`:
// the answer to a command is `{"n"}` with `ok`, `error`, or `cannot` and why this version has no such thing;
// what happens by itself has an `event`.
// All else on standard output, and standard error, is the SDK's own log.

import { createInterface } from 'node:readline'

const [version, url, name] = process.argv.slice(2)
const modern = version !== '0.9.0'
const { registerWorker, TriggerAction } = await import(modern ? 'iii-sdk' : 'iii-sdk-0.9')

const say = (line) => process.stdout.write(`@${JSON.stringify(line)}\n`)
const registered = { functions: new Map(), triggers: new Map() }
let sdk

/** What a registered function does when it is called, by name. */
const behaviours = {
  echo: (data) => ({ echo: data, by: name }),
  throw: () => {
    throw new Error('out of stock')
  },
  hang: () => new Promise(() => {}),
  page: (request) => ({ status_code: 201, headers: { 'x-by': name }, body: { got: request.body } }),
  nothing: () => null,
  relay: async ({ to, data }) => ({ relayed: await call(to, data), by: name }),
}

const call = (function_id, payload, action) => sdk.trigger({ function_id, payload, action })
const listed = async (what, field) => (await call(`engine::${what}::list`, {}))[field]

const commands = {
  async connect() {
    sdk = registerWorker(url, { workerName: name })
    await call('engine::functions::list', {})
  },
  register_function({ id, behaviour, formats }) {
    const handler = async (data) => {
      say({ event: 'called', function: id, data })
      return behaviours[behaviour](data)
    }
    const options = formats ?? {}
    const ref = modern ? sdk.registerFunction(id, handler, options) : sdk.registerFunction({ id, ...options }, handler)
    registered.functions.set(id, ref)
  },
  register_endpoint({ id, invocation }) {
    const ref = modern ? sdk.registerFunction(id, invocation) : sdk.registerFunction({ id }, invocation)
    registered.functions.set(id, ref)
  },
  unregister_function({ id }) {
    registered.functions.get(id).unregister()
  },
  register_trigger({ key, type, function_id, config }) {
    registered.triggers.set(key, sdk.registerTrigger({ type, function_id, config }))
  },
  unregister_trigger({ key }) {
    registered.triggers.get(key).unregister()
  },
  register_trigger_type({ id, refuses }) {
    sdk.registerTriggerType(
      { id, description: 'Fires when it is told to' },
      {
        async registerTrigger({ id: trigger, function_id, config }) {
          if (refuses) throw new Error('no such bucket')
          say({ event: 'trigger', trigger, function: function_id, config })
        },
        async unregisterTrigger({ id: trigger }) {
          say({ event: 'untrigger', trigger })
        },
      },
    )
  },
  unregister_trigger_type({ id }) {
    sdk.unregisterTriggerType({ id, description: '' })
  },
  call({ id, data }) {
    return call(id, data)
  },
  call_void({ id, data }) {
    return call(id, data, TriggerAction.Void())
  },
  enqueue({ id, data, queue }) {
    return call(id, data, TriggerAction.Enqueue({ queue }))
  },
  call_many({ id, count }) {
    return Promise.all(Array.from({ length: count }, (_, number) => call(id, { number })))
  },
  list_functions() {
    return modern ? listed('functions', 'functions') : sdk.listFunctions()
  },
  list_workers() {
    return modern ? listed('workers', 'workers') : sdk.listWorkers()
  },
  list_trigger_types() {
    return modern ? listed('triggers', 'triggers') : sdk.listTriggers()
  },
  list_triggers() {
    return listed('registered-triggers', 'registered_triggers')
  },
  async shut_down() {
    await sdk.shutdown()
  },
}

for await (const line of createInterface({ input: process.stdin })) {
  const { n, do: command, ...input } = JSON.parse(line)
  // Not awaited: a call may take as long as it likes while others are made.
  Promise.resolve()
    .then(() => commands[command](input))
    .then((ok) => say({ n, ok: ok ?? null }))
    .catch((error) => say({ n, error: { code: error.code ?? null, message: error.message ?? String(error) } }))
}
process.exit(0)
