import { registerWorker } from 'iii-sdk'

const worker = registerWorker(process.env.III_URL ?? 'ws://127.0.0.1:49134')

worker.registerFunction('greet', async ({ name }) => ({ greeting: `Hello, ${name}!` }))

console.log(await worker.trigger({ function_id: 'greet', payload: { name: 'Ada' } }))
await worker.shutdown()
